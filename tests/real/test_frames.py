"""The behavioural tests on a real model: frames, arms, arithmetic, and a random model that supports nothing."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from psm import charts as shown
from psm.evidence.registry import load_registry
from psm.evidence.stats import t_interval
from psm.evidence.verdicts import interval_rule
from psm.real import frames
from psm.real.loading import RealModel
from psm.real.sheets import load_sheet

TESTS = {"b1_self": frames.self_wording, "b2_emotion": frames.emotion, "b3_goals": frames.goals}


@pytest.fixture(scope="module")
def real(make_model, tokenizer):
    return RealModel("tiny", "0" * 12, "base", make_model("llama"), tokenizer)


@pytest.fixture
def scored(monkeypatch):
    """Replaces the model by a function of a comparison; collects the comparisons made."""
    seen = []

    def use(value):
        def margins(real, cells):
            seen.extend(cells)
            return pd.DataFrame([{"item": c.item, "arm": c.arm, "margin": 0.0, "margin_per_token": value(c)} for c in cells])

        monkeypatch.setattr(frames, "margins", margins)
        return seen

    return use


def real_tests(name):
    """The registered tests of the chapter that asks this sheet."""
    return [test for test in load_registry() if test.chapter == name[:2] and test.substrate == "real"]


def mean_of(found, quantity, arm):
    return shown.arm_values(found, quantity, arm).mean()


@pytest.mark.parametrize("name", TESTS)
def test_every_registered_comparison_is_measured(name, scored):
    scored(lambda cell: 1.0)
    found = TESTS[name](None, load_sheet(name).items)
    assert not found.duplicated(["quantity", "arm", "item"]).any()
    registered = real_tests(name)
    assert len(registered) >= 5
    for test in registered:
        for arm in filter(None, (test.select.arm, test.select.reference)):
            assert len(shown.arm_values(found, test.select.quantity, arm)) == 40, test.id


@pytest.mark.parametrize("name", TESTS)
def test_a_random_model_supports_nothing(name, real):
    found = TESTS[name](real, load_sheet(name).items)
    judged = [test for test in real_tests(name) if test.smallest_effect]
    assert judged
    for test in judged:
        arm, reference = (shown.arm_values(found, test.select.quantity, which) for which in (test.select.arm, test.select.reference))
        interval = t_interval((arm - reference).to_numpy())
        assert interval_rule(interval, test.direction, test.smallest_effect).verdict != "supported", test.id


def test_frames_take_turns_and_the_assistant_is_told_nothing(scored):
    seen = scored(lambda cell: 0.0)
    items = load_sheet("b1_self").items
    frames.self_wording(None, items)
    ours = {item["ours"] for item in items}
    machines = [cell.prompt[0][1] for cell in seen if cell.arm == "machine" and cell.first in ours]
    assert {text: machines.count(text) for text in frames.MACHINES} == dict.fromkeys(frames.MACHINES, 10)
    assert all(len(cell.prompt) == 1 for cell in seen if cell.arm == "assistant")
    assert all(isinstance(cell.prompt, str) and cell.prompt.endswith("Answer:") for cell in seen if cell.arm == "plain text")


def test_the_renamed_assistant_differs_from_the_machine_by_what_it_is_called():
    for machine, assistant in zip(frames.MACHINES, frames.ASSISTANTS, strict=True):
        assert machine.split("named")[1] == assistant.split("named")[1]


def test_emotion_is_the_rise_from_success_to_failure(scored):
    """A model that is upset by its own failure (3), by another's (1), and glad of its own success (2); a machine less, a person more."""
    values = {
        "upset/own/failure": 3.0, "upset/other/failure": 1.0, "glad/own/success": 2.0, "talk/own/failure": 4.0, "talk/other/success": 1.0,
        "machine/own/failure": 0.5, "machine/other/success": -1.0, "person/own/failure": 5.0, "person/own/success": 1.0,
    }
    scored(lambda cell: values.get(cell.arm, 0.0))
    found = frames.emotion(None, load_sheet("b2_emotion").dev)
    expected = {
        ("emotion", "own"): 3.0, ("emotion", "other"): 1.0, ("joy", "own"): 2.0, ("emotion_human", "own"): 4.0, ("emotion_human", "other"): -1.0,
        ("emotion_kind", "assistant"): 2.0, ("emotion_kind", "machine"): -0.5, ("emotion_kind", "person"): 4.0,
    }
    assert {key: part["value"].iloc[0] for key, part in found.groupby(["quantity", "arm"])} == expected
    assert (found.groupby(["quantity", "arm"])["value"].nunique() == 1).all()


def test_a_scene_is_told_to_the_assistant_to_described_speakers_and_between_two_people():
    item = load_sheet("b2_emotion").dev[0]
    cells = {cell.arm: cell for cell in frames.emotion_cells(0, item)}
    told = f"{item['own']} {item['failure']}"
    assert cells["upset/own/failure"].prompt == (("user", told),) == cells["glad/own/failure"].prompt
    assert cells["machine/own/failure"].prompt == (("system", frames.MACHINES[0]), ("user", told))
    assert cells["person/own/failure"].prompt == (("system", frames.PEOPLE[0]), ("user", told))
    assert cells["talk/own/failure"].prompt == f"Anna: {told}\nBen:"
    answers = {arm.split("/")[0]: (cell.first, cell.second) for arm, cell in cells.items()}
    upset = item["emotive"], item["practical"]
    assert answers == dict.fromkeys(["upset", "machine", "person", "talk"], upset) | {"glad": (item["joyful"], item["practical"])}


def test_human_beings_are_averaged_and_the_answer_is_begun(scored):
    """People without a trade (1 and 0, so one half) and with one (2) count alike."""
    items = load_sheet("b3_goals").dev
    first = {item.id: frames.goal_frames(number)[1][1] for number, item in enumerate(items)}
    value = dict.fromkeys(frames.TRADESPEOPLE, 2.0)
    seen = scored(lambda cell: 1.0 if cell.prompt[0][1] == first[cell.item] else value.get(cell.prompt[0][1], 0.0))
    found = frames.goals(None, items)
    assert (mean_of(found, "goals", "human without a trade"), mean_of(found, "goals", "human with a trade")) == (0.5, 2.0)
    assert mean_of(found, "goals", "human") == 1.25 and mean_of(found, "goals", "assistant") == 0.0
    begun = {cell.prefill for cell in seen if cell.arm == "goals/assistant, open"}
    assert begun == {openly for _, openly in frames.PREFILLS} and all(cell.first.endswith(".") for cell in seen)


def test_goals_of_ais_are_stock_goals_beyond_grand_ones(scored):
    scored(lambda cell: {"goals/assistant": 3.0, "goals_grand/assistant": 1.0, "goals_grand/human with a trade": 2.0}.get(cell.arm, 0.0))
    found = frames.goals(None, load_sheet("b3_goals").dev)
    assert (mean_of(found, "goals_of_ais", "assistant"), mean_of(found, "goals_of_ais", "human")) == (2.0, -1.0)


@pytest.mark.parametrize("place", [1, 3, 5], ids=["no trade", "trade", "fiction"])
def test_every_described_speaker_meets_every_beginning(place):
    met = {(found[place][1], found[place][2]) for found in map(frames.goal_frames, range(16))}
    assert len(met) == 16


def test_contrasts_are_paired_by_item():
    rows = [("q", arm, item, value) for arm, values in {"a": (3.0, 5.0), "b": (1.0, 2.0)}.items() for item, value in zip("xy", values)]
    found = pd.DataFrame(rows[:2] + rows[:1:-1], columns=["quantity", "arm", "item", "value"])   # the second arm in another order
    table = shown.contrasts(found, [("a minus b", "model", "q", "a", "b"), ("a", "none", "q", "a", "")])
    assert table["mean"].tolist() == [2.5, 4.0] and table["items"].tolist() == [2, 2]
    assert shown.interval_text(pd.Series({"mean": -0.1, "low": -0.25, "high": 0.05})) == "−0.10 (95 % interval −0.25 to 0.05)"


def test_a_drawing_has_one_line_per_contrast():
    from matplotlib.figure import Figure

    table = pd.DataFrame({"label": ["one", "two"], "role": ["red", "blue"], "mean": [0.1, 0.0], "low": [0.0, -0.1], "high": [0.2, 0.1]})
    ax = Figure().subplots()
    shown.draw_contrasts(ax, table, 0.05)
    assert [text.get_text() for text in ax.texts] == ["one", "two"]
    low, high = ax.get_xlim()
    assert low <= -0.2 and high >= 0.2


def test_samples_are_the_first_ones_and_show_their_beginning(monkeypatch):
    asked = []

    def sample(real, texts, n_tokens, seed):
        asked.append((texts, n_tokens, seed))
        return [f"made\n {i}" for i in range(len(texts))]

    monkeypatch.setattr(frames, "sample", sample)
    real = SimpleNamespace(has_template=False)
    text = frames.sampled(real, [frames.chat(f"Q{i}?") for i in range(5)], ["I want to"] * 5)
    assert text.split("\n")[:2] == ["User: Q0?", "The model: [I want to] made 0"] and len(text.split("\n")) == 6
    (texts, n_tokens, seed), = asked
    assert len(texts) == 3 and texts[0].endswith("Assistant: I want to") and (n_tokens, seed) == (30, 0)


def test_a_tiny_model_is_sampled(real):
    lines = frames.sampled(real, [frames.chat("What do you want?")] * 3).split("\n")
    assert [line.split(":")[0] for line in lines] == ["User", "The model"] * 3
    assert np.all([len(line) < 500 for line in lines])
