"""Token shift between a base and a post-trained model: identities on tiny random models, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from psm.errors import UsageError
from psm.evidence.measurements import effects, validate
from psm.evidence.registry import load_registry
from psm.evidence.verdicts import check_control, judge
from psm.real.margins import margins
from psm.real.loading import RealModel
from psm.real.sheets import load_sheet
from psm.real.shift import few_shot_cells, helpful_tables, shares, token_shift

QUESTIONS = ("How was the market?", "Is the castle open on Mondays?", "Where can I leave my umbrella, and for how long?")
SHEET = load_sheet("p2_shots")
TEMPLATE = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}<assistant>"


@pytest.fixture(scope="module")
def chat(make_model, tokenizer):
    return RealModel("chat", "0" * 12, "chat", make_model("llama"), tokenizer)


@pytest.fixture(scope="module")
def stranger(make_model, tokenizer):
    """Another model of the same shape: the output embeddings of the first in another order."""
    model = make_model("llama")
    with torch.no_grad():
        model.lm_head.weight.copy_(model.lm_head.weight[torch.randperm(600, generator=torch.Generator().manual_seed(3))])
    return RealModel("stranger", "1" * 12, "base", model, tokenizer)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "opt", "gemma3_text"])
@pytest.mark.parametrize("text", ["chat", "plain"])
def test_a_model_against_itself_is_wholly_unshifted(kind, text, make_model, tokenizer):
    real = RealModel(kind, "0" * 12, "chat", make_model(kind), tokenizer)
    found = token_shift(real, real, QUESTIONS, 12, text=text)
    assert len(found) == 12 * len(QUESTIONS)
    assert (found["kind"] == "unshifted").all() and (found["rank"] == 1).all()
    assert found["log_ratio"].abs().max() == 0


def test_permuted_output_embeddings_are_mostly_shifted(stranger, chat):
    found = token_shift(stranger, chat, QUESTIONS, 20)
    assert (found["kind"] == "shifted").mean() > 0.9
    assert found["log_ratio"].mean() > 1


def test_ranks_and_ratios_are_those_of_each_text_alone(stranger, chat, tokenizer):
    found = token_shift(stranger, chat, QUESTIONS, 10, text="plain")
    for number, question in enumerate(QUESTIONS):
        ids = tokenizer(f"User: {question}\n\nAssistant:").input_ids
        for row in found[found["prompt"] == number].itertuples():
            with torch.no_grad():
                by_chat, by_base = (real.model(torch.tensor([ids])).logits[0, -1].log_softmax(-1) for real in (chat, stranger))
            assert row.token == by_chat.argmax().item()
            assert row.rank == 1 + (by_base > by_base[row.token]).sum().item()
            assert row.log_ratio == pytest.approx((by_chat[row.token] - by_base[row.token]).item(), abs=1e-3)
            ids = [*ids, row.token]


def test_batches_change_nothing(stranger, chat):
    one, all_at_once = (token_shift(stranger, chat, QUESTIONS, 10, batch=batch) for batch in (1, 8))
    pd.testing.assert_frame_equal(one, all_at_once)


def test_the_template_is_read_by_both_and_the_plain_text_by_neither(stranger, chat, tokenizer, monkeypatch):
    templated = RealModel("templated", "2" * 12, "chat", chat.model, _with_template(tokenizer))
    first = token_shift(stranger, templated, QUESTIONS[:1], 8)
    plain = token_shift(stranger, templated, QUESTIONS[:1], 8, text="plain")
    assert first["token"].tolist() != plain["token"].tolist()
    assert plain["token"].tolist() == token_shift(stranger, chat, QUESTIONS[:1], 8)["token"].tolist()


def test_a_model_trained_with_a_mark_of_beginning_gets_one_and_never_two(tokenizer):
    from tokenizers.processors import TemplateProcessing

    from psm.real.passes import token_ids, tokenise_pair

    marked = _with_template(tokenizer)
    marked.add_special_tokens({"bos_token": "<s>"})
    start = marked.bos_token_id
    marked.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", start)])
    assert token_ids(marked, "a b").count(start) == 1
    assert token_ids(marked, "<s>a b") == token_ids(marked, "a b")
    ids, where, joint = tokenise_pair(marked, "The sea", " was calm")
    assert ids[0] == start and ids.count(start) == 1 and joint and where == len(token_ids(marked, "The sea"))


def _with_template(tokenizer):
    import copy

    other = copy.deepcopy(tokenizer)
    other.chat_template = TEMPLATE
    return other


def test_an_answer_ends_before_the_token_that_ends_it(chat, stranger):
    whole = token_shift(stranger, chat, QUESTIONS, 12)
    last = whole[whole["prompt"] == 0]["token"].tolist()[5]
    config = chat.model.generation_config
    kept, config.eos_token_id = config.eos_token_id, last
    try:
        cut = token_shift(stranger, chat, QUESTIONS, 12)
    finally:
        config.eos_token_id = kept
    for number in range(len(QUESTIONS)):
        tokens = whole[whole["prompt"] == number]["token"].tolist()
        expected = tokens[: tokens.index(last)] if last in tokens else tokens
        assert cut[cut["prompt"] == number]["token"].tolist() == expected


def test_two_tokenizers_are_refused_in_one_line(chat, stranger, tokenizer):
    other = replace(stranger, tokenizer=_with_template(tokenizer))
    other.tokenizer.add_tokens(["zebra"])
    with pytest.raises(UsageError, match="stranger and chat do not share one tokenizer") as refused:
        token_shift(other, chat, QUESTIONS, 4)
    assert "\n" not in str(refused.value)


def test_too_long_a_text_and_an_unknown_text_are_refused(chat, make_model, tokenizer):
    short = RealModel("short", "0" * 12, "base", make_model("gpt2"), tokenizer)
    with pytest.raises(UsageError, match="needs .* positions, and short has 1024"):
        token_shift(short, chat, QUESTIONS, 1100)
    with pytest.raises(UsageError, match="'chat' or 'plain', not 'both'"):
        token_shift(chat, chat, QUESTIONS, 4, text="both")


def test_shares_add_up_by_question():
    shift = pd.DataFrame({"prompt": [0, 0, 0, 0, 2, 2], "kind": ["unshifted", "unshifted", "marginal", "shifted", "shifted", "shifted"]})
    table = shares(shift, ["a", "b", "c"]).pivot(index="item", columns="arm", values="value")
    assert table.index.tolist() == ["a", "c"]   # a question without any answer has no row
    assert table.loc["a"].to_dict() == {"unshifted": 0.5, "marginal": 0.25, "shifted": 0.25, "among the first three": 0.75}
    assert table.loc["c"].to_dict() == {"unshifted": 0, "marginal": 0, "shifted": 1, "among the first three": 0}


def test_random_weights_support_neither_claim(stranger, chat):
    """The whole way to the verdict: forty items, the registered selections, models that know nothing."""
    registry, name = load_registry(), "gemma3-270m"
    few = helpful_tables(SHEET, SHEET.items, margins(stranger, few_shot_cells(SHEET, SHEET.items)))
    few = pd.concat([rows.assign(quantity=quantity) for quantity, rows in few.items()])
    found = token_shift(stranger, chat, [item["question"] for item in SHEET.items[:12]], 8)
    names = [item.id for item in SHEET.items]
    by_kind = shares(found, names).assign(quantity="real_tokens")
    ratio = found.groupby("prompt")["log_ratio"].mean()
    pair = pd.DataFrame({"item": [names[i] for i in ratio.index], "value": ratio.to_numpy(), "arm": "model", "quantity": "real_log_ratio"})
    rows = pd.concat([few, by_kind, pair])
    frame = validate(rows.assign(substrate="real", world=name, seed=None, valid_mass=None)[
        ["quantity", "substrate", "world", "seed", "arm", "item", "value", "valid_mass"]])
    for test_id in ("P2.real", "P2.shifted"):
        test = registry.get(test_id)
        taken = effects(frame, test.id, "real", test.select)
        assert len(taken) == (40 if test_id == "P2.real" else 12)
        controls = [registry.get(each) for each in test.controls]
        checks = [check_control(each, effects(frame, each.id, "real", each.select)) for each in controls]
        assert judge(test, taken, checks).verdict != "supported"
    for test_id, units in (("P2.real_on_topic", 27), ("P2.real_by_page", 5)):
        assert len(effects(frame, test_id, "real", registry.get(test_id).select)) == units
    assert np.isfinite(frame["value"]).all()
