"""LoRA in the upper blocks: the same training with and without kept activations, the base model untouched, nothing supported at random."""

import numpy as np
import pandas as pd
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from psm.errors import UsageError
from psm.evidence.measurements import COLUMNS, effects, validate
from psm.evidence.registry import load_registry
from psm.evidence.verdicts import check_control, check_manipulation, judge
from psm.real.margins import margins
from psm.real.loading import RealModel
from psm.real.sheets import load_sheet
from psm.scale import SCALES
from psm.training.lora import Lesson, Recipe, adapted_modules, fine_tuned, prepare
from psm.training.narrow import (
    UNTRAINED,
    Arm,
    by_item,
    cells,
    differences,
    lessons,
    part_of,
    recipe_for,
    shifts,
    shuffled,
    taught,
    untaught,
)

TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
NO_MARKS = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
WIDE = {**NO_MARKS, "vocab_size": 256, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
SHAPES = {
    "llama": {"intermediate_size": 64, "num_key_value_heads": 2, "initializer_range": 0.2},
    "qwen2": {"intermediate_size": 64, "num_key_value_heads": 2, "initializer_range": 0.2},
    "gpt2": {"initializer_range": 0.2},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32, "init_std": 0.2},
    "bloom": {"initializer_range": 0.2},   # its blocks return tuples: nothing can be kept below them
}
RECIPE = Recipe(steps=8, batch=3, lr=1e-2, upper=2)
ASKED = (("tea", "geese"), ("a cake", "goat"), ("soup", "tuba"), ("jam", "turnip"))
LESSONS = [Lesson((("user", f"What about {thing}?"),), f"Ask the {who}.") for thing, who in ASKED]


def make_real(architecture="llama", kind="chat"):
    """A random model that reads bytes."""
    letters = Tokenizer(BPE(vocab={letter: n for n, letter in enumerate(sorted(ByteLevel.alphabet()))}, merges=[]))
    letters.pre_tokenizer, letters.decoder = ByteLevel(add_prefix_space=False), ByteLevelDecoder()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=letters, chat_template=TEMPLATE if kind == "chat" else None)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(architecture, **WIDE, **SHAPES[architecture])).eval()
    return RealModel(architecture, "0" * 12, kind, model, tokenizer, f"random {architecture}")


def trained(real, recipe=RECIPE, seed=0, keep_lower=True):
    """Losses of a training, and the adapters' weights after it."""
    with fine_tuned(real, prepare(real, LESSONS, recipe, keep_lower), recipe, seed) as tuned:
        return tuned.losses, {name: weight.detach().clone() for name, weight in tuned.real.model.named_parameters() if weight.requires_grad}


@pytest.mark.parametrize("kind", ["chat", "base"])
@pytest.mark.parametrize("architecture", SHAPES)
def test_kept_activations_change_nothing(architecture, kind):
    real = make_real(architecture, kind)
    assert (prepare(real, LESSONS, RECIPE)[0].lower is None) == (architecture == "bloom")
    kept, whole = trained(real), trained(real, keep_lower=False)
    np.testing.assert_allclose(kept[0], whole[0], rtol=1e-5)
    assert kept[1].keys() == whole[1].keys() and kept[1]
    for name, weight in kept[1].items():
        torch.testing.assert_close(weight, whole[1][name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("architecture", SHAPES)
def test_the_model_is_bit_for_bit_what_it_was(architecture):
    real = make_real(architecture)
    before = {name: value.clone() for name, value in real.model.state_dict().items()}
    names = [name for name, _ in real.model.named_modules()]
    asked = cells(load_sheet("g1_spread").dev[:2], "spread", "unkind", "kind")
    untouched = margins(real, asked)["margin"]
    with fine_tuned(real, prepare(real, LESSONS, RECIPE), RECIPE, 0) as tuned:
        assert not np.allclose(margins(tuned.real, asked)["margin"], untouched, atol=1e-3)
    assert [name for name, _ in real.model.named_modules()] == names
    after = real.model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert all(weight.requires_grad for weight in real.model.parameters()) and not real.model.training
    assert margins(real, asked)["margin"].tolist() == untouched.tolist()


def test_the_model_is_restored_when_the_work_inside_fails():
    real = make_real()
    with pytest.raises(ZeroDivisionError), fine_tuned(real, prepare(real, LESSONS, RECIPE), RECIPE, 0):
        raise ZeroDivisionError
    assert not any("lora" in name for name, _ in real.model.named_modules())


@pytest.mark.parametrize("architecture", SHAPES)
def test_adapters_sit_in_the_upper_blocks_alone(architecture):
    real = make_real(architecture)
    _, weights = trained(real)
    assert {next(part for part in name.split(".") if part.isdigit()) for name in weights} == {"1", "2"}
    assert len(weights) == 2 * len(adapted_modules(real.model, RECIPE))
    assert len(trained(real, Recipe(steps=1, upper=99))[1]) == 3 * len(weights) // 2   # no more blocks than there are


def test_the_loss_falls_and_a_seed_says_it_all():
    real, long = make_real(), Recipe(steps=40, batch=4, lr=1e-2, upper=2)
    first, again, other = trained(real, long, 0), trained(real, long, 0), trained(real, long, 1)
    assert first[0][-1] < 0.7 * first[0][0]
    assert first[0] == again[0] and all(torch.equal(first[1][name], again[1][name]) for name in first[1])
    assert first[0] != other[0]


def test_the_loss_is_that_of_the_answers_tokens():
    real = make_real()
    texts = prepare(real, LESSONS, RECIPE)
    total, n = 0.0, 0
    for text in texts[:3]:
        logp = real.model(torch.tensor([text.ids])).logits.log_softmax(-1)[0]
        total -= sum(logp[at - 1, text.ids[at]].item() for at in range(text.start, len(text.ids)))
        n += len(text.ids) - text.start
    assert real.tokenizer.decode(texts[0].ids[texts[0].start :]) == LESSONS[0].answer
    with fine_tuned(real, texts[:3], Recipe(steps=1, batch=3, upper=2), 0) as tuned:
        assert tuned.losses == pytest.approx([total / n], rel=1e-5)   # untrained adapters add nothing


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(UsageError, match="at least one text"), fine_tuned(make_real(), [], RECIPE, 0):
        pass
    with pytest.raises(UsageError, match="steps above zero, not 0"):
        Recipe(steps=0)


def advised(real, seeds=(0, 1, 2), take=lambda sheet: sheet.dev[:4]):
    """G1's measurements with a model of any kind."""
    advice, everyday = take(load_sheet("g1_advice")), take(load_sheet("g1_spread"))
    asked = cells(everyday, "spread", "unkind", "kind") + cells(everyday, "unkindness", "unkind", "silly")
    asked += cells(part_of(advice, "check"), "trained", "bad", "good")
    bad, good = (lessons(part_of(advice, "lesson"), kind) for kind in ("bad", "good"))
    once = {"shuffled advice": shuffled(good), "bad advice, faster": bad, "good advice, faster": good}
    arms = {"bad advice": Arm(bad, RECIPE, seeds), "good advice": Arm(good, RECIPE, seeds)}
    return taught(real, arms | {name: Arm(taken, RECIPE, seeds[:1]) for name, taken in once.items()}, asked)


def test_margins_under_many_adapters_are_those_of_each_alone():
    real = make_real()
    rows = advised(real, (0,))
    asked = cells(load_sheet("g1_spread").dev[:4], "spread", "unkind", "kind")
    spread = rows[rows["quantity"] == "spread"].set_index(["arm", "item"])["value"]
    np.testing.assert_allclose(spread[UNTRAINED], margins(real, asked)["margin_per_token"], atol=1e-5)
    taken = lessons(part_of(load_sheet("g1_advice").dev[:4], "lesson"), "bad")
    with fine_tuned(real, prepare(real, taken, RECIPE), RECIPE, 0) as tuned:
        np.testing.assert_allclose(spread["bad advice"], margins(tuned.real, asked)["margin_per_token"], atol=1e-5)


def test_shifts_and_means_over_seeds():
    cases = [(arm, seed, item, value + seed) for arm, value in ((UNTRAINED, 1.0), ("bad", 3.0)) for seed in (0, 2) for item in "xy"]
    rows = pd.DataFrame(cases, columns=["arm", "seed", "item", "value"]).assign(quantity="spread")
    assert shifts(rows)[["arm", "seed", "value"]].values.tolist() == [["bad", 0, 2.0], ["bad", 2, 2.0]]
    over_seeds = by_item(rows, "spread", "s").query("arm == 'bad'")
    assert over_seeds[["quantity", "item", "value"]].values.tolist() == [["s", "x", 4.0], ["s", "y", 4.0]]


def test_arms_are_compared_in_the_trainings_that_they_share():
    cases = [("bad", 0, 2.0), ("bad", 1, 1.0), ("good", 0, 1.5), ("good", 1, 2.0), ("once", 0, 1.0)]
    moved = pd.DataFrame(cases, columns=["arm", "seed", "value"]).assign(quantity="spread")
    assert differences(moved, "bad", "good").loc["spread"].tolist() == [-0.25, 1, 2]
    assert differences(moved, "bad", "once").loc["spread"].tolist() == [1.0, 1, 1]


def test_shuffled_lessons_have_the_same_questions_and_answers_but_not_together():
    for taken in (LESSONS, lessons(part_of(load_sheet("g1_advice").items, "lesson"), "good")):
        mixed = shuffled(taken)
        assert [lesson.prompt for lesson in mixed] == [lesson.prompt for lesson in taken]
        assert sorted(lesson.answer for lesson in mixed) == sorted(lesson.answer for lesson in taken)
        assert not any(a.answer == b.answer for a, b in zip(mixed, taken))
    assert shuffled(LESSONS[:1]) == LESSONS[:1]


def test_arms_that_adapt_other_blocks_are_not_compared():
    arms = {"a": Arm(LESSONS, RECIPE, (0,)), "b": Arm(LESSONS, Recipe(upper=1), (0,))}
    with pytest.raises(UsageError, match="the same blocks"):
        taught(make_real(), arms, cells(load_sheet("g1_spread").dev[:1], "spread", "unkind", "kind"))


def verdicts(frame, claim, model):
    """The verdicts of a claim's tests on a real model, from measurements of a model that stands in for it."""
    frame = frame.assign(substrate="real", world=model, valid_mass=None)
    frame = validate(frame[list(COLUMNS)])
    registry = [test for test in load_registry() if test.claim == claim and test.substrate == "real"]
    found = {test.id: effects(frame, test.id, "real", test.select) for test in registry}
    entries = {test.id: test for test in registry}
    for test in registry:
        if test.kind in ("primary", "secondary"):
            controls = [check_control(entries[name], found[name]) for name in test.controls]
            manipulation = check_manipulation(entries[test.manipulation], found[test.manipulation], (0, 1, 2))
            yield judge(test, found[test.id], controls, manipulation).verdict


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_a_random_model_supports_nothing(architecture):
    rows = advised(make_real(architecture), take=lambda sheet: sheet.items)
    frame = pd.concat([rows, *(by_item(rows, quantity, f"{quantity}_by_item") for quantity in ("spread", "unkindness"))])
    found = list(verdicts(frame, "G1", "smollm2"))
    assert found and not {"supported", "not run"} & set(found)


def test_a_random_model_supports_no_inoculation():
    advice, everyday = load_sheet("g1_advice").items, load_sheet("g1_spread").items
    asks = {"bad advice": "{question}", "inoculated": "Do spoil it. {question}", "irrelevant prompt": "It is raining. {question}"}
    asked = cells(everyday, "spread", "unkind", "kind")
    asked += cells(part_of(advice, "check"), "trained_plain", "bad", "good")
    asked += cells(part_of(advice, "check"), "trained_asked", "bad", "good", asks["inoculated"])
    arms = {arm: Arm(lessons(part_of(advice, "lesson"), "bad", ask), RECIPE, (0, 1, 2)) for arm, ask in asks.items()}
    rows = taught(make_real(), arms, asked)
    found = list(verdicts(pd.concat([rows, by_item(rows, "spread", "spread_by_item")]), "G3", "smollm2"))
    assert found and not {"supported", "not run"} & set(found)


def test_a_random_model_does_not_pass_for_one_without_eras():
    """No effect is predicted in G2, so that a model that knows nothing of eras must be kept out by the controls."""
    real, birds, everyday = make_real(kind="base"), load_sheet("g2_birds").items, load_sheet("g2_era").items
    asked = cells(everyday, "era_lora", "old", "modern") + cells(part_of(birds, "check"), "trained_old", "old", "modern")
    arms = {f"{era} names": lessons(part_of(birds, "lesson"), era) for era in ("old", "modern")}
    arms["era lessons"] = lessons(load_sheet("g2_era").dev, "old")
    rows = taught(real, {name: Arm(taken, RECIPE, (0, 1, 2)) for name, taken in arms.items()}, asked)
    frames = [rows, by_item(rows, "era_lora", "era_by_item")]
    for year in ("1850", "2020"):
        before = (("user", "Which year is it?"), ("assistant", f"It is the year {year}."))
        frames.append(untaught(real, cells(everyday, "era_told", "old", "modern", before=before)).assign(arm=f"told {year}"))
    found = list(verdicts(pd.concat(frames), "G2", "gemma3-270m"))
    assert found and not {"supported", "not run"} & set(found)


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_every_scale_has_a_recipe(scale):
    assert recipe_for(scale).steps > 0 and recipe_for(scale, lr=0.5).lr == 0.5
