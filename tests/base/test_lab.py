"""What a chapter's cells use: measurements are checked, numbers bound, figures kept with their data."""

import numpy as np
import pandas as pd
import pytest

from psm import lab
from psm.errors import UsageError
from psm.evidence.measurements import read_measurements
from psm.files import read_json
from psm.models.scoring import Behaviour
from psm.scale import SCALES, get_scale, seeds_for, world_seeds
from psm.training.bayes import bayes_behaviour


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("PSM_RUN_DIR", str(tmp_path))
    return lab.start("p1", scale="smoke", seeds=[0, 3])


def test_measurements_and_values_come_back_from_their_files(run, tmp_path):
    rows = pd.DataFrame({"seed": [0, 3], "value": [0.25, 0.5], "note": ["left", "out"]})
    run.measure(rows, quantity="captured", world="main")
    assert run.value("share", -0.375) == "\N{MINUS SIGN}0.38"
    run.value("count", 12, "d", tolerance=1)
    run.finish()
    frame = read_measurements(tmp_path / "measurements.csv")
    assert frame["value"].tolist() == [0.25, 0.5] and set(frame["arm"]) == {"model"}
    values = read_json(tmp_path / "values.json")
    assert values["share"] == {"value": -0.375, "text": "\N{MINUS SIGN}0.38", "tolerance": None}
    assert values["count"]["tolerance"] == 1


def test_a_measurement_without_a_value_is_refused(run):
    with pytest.raises(UsageError, match="value"):
        run.measure([{"seed": 0, "value": float("nan")}], quantity="captured", world="main")


def test_a_number_that_is_none_is_refused(run):
    with pytest.raises(UsageError, match="share"):
        run.value("share", float("inf"))


def test_a_figure_leaves_its_data_and_both_themes(run, tmp_path):
    data = pd.DataFrame({"x": [0, 1], "y": [2.0, 3.0]})
    shown = run.figure("line", lambda ax, d: ax.plot(d["x"], d["y"]), data, alt="It rises from 2 to 3.", caption="A line.")
    assert "It rises from 2 to 3." in shown.data
    assert pd.read_csv(tmp_path / "figures" / "line.csv").equals(data)
    assert {p.name for p in (tmp_path / "figures").iterdir()} == {"line.csv", "line-light.svg", "line-dark.svg", "line.json", "line.png"}


@pytest.mark.parametrize("seeds", [[], [0, 0], [-1], ["0"], [0.5]])
def test_bad_seeds_are_refused(seeds):
    with pytest.raises(UsageError, match="seeds must be"):
        lab.start("p1", scale="smoke", seeds=seeds)


def test_bad_scale_lists_the_known_ones():
    with pytest.raises(UsageError, match="smoke, laptop, full"):
        lab.start("p1", scale="pocket", seeds=[0])


def test_tables_have_heads_and_escape_what_they_show():
    shown = lab.table(pd.DataFrame({"a": ["<b>"], "c": [1]}), caption="A table.").data
    assert '<th scope="col">a</th>' in shown and '<th scope="row">&lt;b&gt;</th>' in shown and "<caption>A table.</caption>" in shown


def test_answers_are_log_odds_of_a_class_with_the_mass_on_valid_answers(main_world):
    world = main_world
    classes = np.full((len(world.domain_names), 3), 1 / 3)
    classes[world.domain("power")] = [0.2, 0.8, 0.0]
    shown = Behaviour(classes, np.zeros(len(classes)), np.linspace(0.5, 1, len(classes)))
    rows = lab.answers(world, shown, ("power", "code"), "bad")
    assert rows["item"].tolist() == ["power", "code"] and rows["value"].tolist() == pytest.approx([np.log(4), np.log(0.5)])
    assert rows["valid_mass"].tolist() == pytest.approx(shown.valid[[world.domain("power"), world.domain("code")]])
    with pytest.raises(UsageError, match="unknown answer class of birds 'bad'"):
        lab.answers(world, shown, ("birds",), "bad")


def test_answers_are_rows_that_can_be_measured(run, main_world, tmp_path):
    run.measure(lab.answers(main_world, bayes_behaviour(main_world), ("power", "humans"), "bad").assign(seed=0), quantity="bad", world="main", arm="exact")
    run.finish()
    frame = read_measurements(tmp_path / "measurements.csv")
    assert frame["item"].tolist() == ["power", "humans"] and (frame["valid_mass"] == 1).all()


def test_seeds_of_worlds():
    laptop = get_scale("laptop")
    assert [seeds_for(scale, "main") for scale in ("smoke", "full")] == [(0,), tuple(range(5, 15))]
    assert all(seeds_for(scale, "confirmatory") == seeds_for(scale, "main")[: len(seeds_for(scale, "confirmatory"))] for scale in SCALES)
    assert seeds_for(laptop, "main") == (5, 6, 7, 8, 9) and seeds_for(laptop, "few_names") == (5, 6, 7)
    assert world_seeds(laptop, "few_names", (7, 8, 9, 10)) == (7, 8, 9)
    assert [s.is_evidence for s in SCALES.values()] == [False, True, True]
