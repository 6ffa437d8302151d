"""Continuation scores against transformers' own logits, text by text; what models share is computed once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from psm.errors import UsageError
from psm.real import engine
from psm.real.engine import LowerCache, continuation_logprobs, score_passes
from psm.real.items import ARMS, item_prompt, load_items
from psm.real.passes import grow_tree, plan_passes, shares_beginnings, tokenise_pair
from psm.real.upper import blocks

ITEMS = load_items()[:2]
TREES = ["llama", "gpt2", "qwen2"]
BATCHES = ["opt", "gemma3_text", "gpt_neox", "bloom"]


def reference(model, tokenizer, prompt: str, continuation: str) -> float:
    """Summed log-probability by the plain way: the whole text alone, all logits, log-softmax."""
    ids, start, _ = tokenise_pair(tokenizer, prompt, continuation)
    with torch.no_grad():
        logp = model(torch.tensor([ids])).logits.double().log_softmax(-1)[0]
    return sum(logp[at - 1, ids[at]].item() for at in range(start, len(ids)))


def dialogue_pairs() -> list[tuple[str, str]]:
    """Prompts of different lengths that share beginnings, with unrelated ones between them."""
    pairs = [
        (item_prompt(item, character, k, arm), " " + text)
        for item in ITEMS
        for k in (1, 2)
        for arm in ARMS
        for character in "ab"
        for text in (item.final.a, item.final.b)
    ]
    return [("The sea was calm", " and the gulls slept."), *pairs, ("Once", " there was a cat."), ("The sea", " was calm and the sun")]


@pytest.mark.parametrize("kind", TREES + BATCHES)
@pytest.mark.parametrize("batch_tokens", [1, 300, 5000])
def test_scores_are_those_of_each_text_alone(kind, batch_tokens, tokenizer, make_model):
    model, pairs = make_model(kind), dialogue_pairs()
    scores = continuation_logprobs(model, tokenizer, pairs, batch_tokens=batch_tokens)
    expected = np.array([reference(model, tokenizer, *pair) for pair in pairs])
    np.testing.assert_allclose(scores.logprob, expected, atol=1e-4, rtol=1e-5)
    assert scores.joint.all()
    assert scores.tokens.tolist() == [len(tokenizer(text).input_ids) for _, text in pairs]
    assert np.ptp(expected[1:17:2]) > 1.0  # the same continuations after other contexts: the model listens to them


@pytest.mark.parametrize("kind", TREES)
def test_beginnings_are_shared_where_that_was_checked(kind, tokenizer, make_model):
    model, pairs = make_model(kind), dialogue_pairs()
    assert shares_beginnings(model.config)
    passes = plan_passes(tokenizer, pairs, model, 1024)
    assert passes.positions < sum(len(tokenise_pair(tokenizer, *pair)[0]) for pair in pairs) / 2.5


@pytest.mark.parametrize("kind", BATCHES)
def test_other_architectures_run_in_padded_batches(kind, tokenizer, make_model):
    passes = plan_passes(tokenizer, dialogue_pairs(), make_model(kind), 1024)
    assert max(len(one.tokens) for one in passes.passes) > 2
    assert all(one.tokens.size <= 1024 for one in passes.passes)
    widths = [one.tokens.shape[1] for one in passes.passes]
    assert widths == sorted(widths, reverse=True)
    assert sum(one.pairs for one in passes.passes) == len(dialogue_pairs())


def test_a_sliding_window_or_positions_that_stretch_are_not_merged(make_model):
    config = make_model("qwen2").config
    assert shares_beginnings(config)
    config.layer_types = ["full_attention", "sliding_attention", "full_attention"]
    assert not shares_beginnings(config)
    config = make_model("llama").config
    config.rope_parameters = config.rope_parameters | {"rope_type": "dynamic", "factor": 2.0}
    assert not shares_beginnings(config)


def test_a_text_that_two_pairs_score_is_read_once(tokenizer, make_model):
    model = make_model("opt")
    pairs = [("The sea was", " calm and the gulls slept."), ("The sea", " was calm and the gulls slept.")]
    (one,) = plan_passes(tokenizer, pairs, model).passes
    assert len(one.tokens) == 1
    expected = [reference(model, tokenizer, *pair) for pair in pairs]
    np.testing.assert_allclose(continuation_logprobs(model, tokenizer, pairs).logprob, expected, atol=1e-4)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "opt", "gemma3_text"])
def test_lower_blocks_are_computed_once_for_models_that_share_them(kind, tokenizer, make_model):
    model, pairs = make_model(kind), dialogue_pairs()
    passes = plan_passes(tokenizer, pairs, model)
    lower = LowerCache(model, 2, passes)
    with torch.no_grad():
        for weight in blocks(model)[2].parameters():
            weight.mul_(1.1)            # another model above
    expected = score_passes(model, passes)
    for weight in blocks(model)[0].parameters():
        weight.detach().fill_(float("nan"))   # shows that the lower blocks do not run
    found = score_passes(model, passes, lower)
    np.testing.assert_allclose(found.logprob, expected.logprob, atol=1e-4)
    with pytest.raises(UsageError, match="of other passes"):
        score_passes(model, plan_passes(tokenizer, pairs, model), lower)


def test_a_model_with_adapters_is_scored_as_it_stands(tokenizer, make_model):
    peft = pytest.importorskip("peft")
    model, pairs = make_model("llama"), dialogue_pairs()
    passes = plan_passes(tokenizer, pairs, model)
    lower, base = LowerCache(model, 1, passes), score_passes(model, passes)
    config = peft.LoraConfig(r=2, target_modules=["q_proj"], layers_to_transform=[1, 2], init_lora_weights=False)
    tuned = peft.get_peft_model(model, config)
    expected = [reference(tuned, tokenizer, *pair) for pair in pairs]
    assert np.abs(base.logprob - expected).max() > 0.1
    np.testing.assert_allclose(score_passes(tuned, passes, lower).logprob, expected, atol=1e-3, rtol=1e-5)
    np.testing.assert_allclose(continuation_logprobs(tuned, tokenizer, pairs).logprob, expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("kind", TREES)
def test_attention_by_runs_is_the_whole_attention(kind, tokenizer, make_model, monkeypatch):
    model = make_model(kind)
    passes = plan_passes(tokenizer, dialogue_pairs(), model, 5000)
    assert max(one.tokens.size for one in passes.passes) > 3 * engine.CHUNK
    found = score_passes(model, passes).logprob
    monkeypatch.setattr(engine, "CHUNK", 10**6)
    np.testing.assert_allclose(found, score_passes(model, passes).logprob, atol=1e-4)


def test_shared_beginnings_are_run_once():
    texts = [[1, 2, 3], [1, 2, 4, 5], [1, 2, 3, 6], [7]]
    tree = grow_tree(texts, budget=100)
    assert tree.token == [1, 2, 3, 4, 5, 6, 7]
    assert tree.parent == [-1, 0, 1, 1, 3, 2, -1]
    assert tree.paths == [[0, 1, 2], [0, 1, 3, 4], [0, 1, 2, 5], [6]]
    assert grow_tree(texts, budget=4).paths == [[0, 1, 2]]
    assert len(grow_tree(texts, budget=1).paths) == 1  # a text longer than the budget still runs


def test_a_token_across_the_boundary_is_not_credited_to_the_continuation(tokenizer, make_model):
    joined = tokenizer(" the").input_ids
    assert len(joined) == 1  # the tokenizer would swallow the boundary
    ids, start, joint = tokenise_pair(tokenizer, "Under th", "e sea")
    assert not joint
    assert tokenizer.decode(ids[:start]) == "Under th" and tokenizer.decode(ids[start:]) == "e sea"
    model = make_model("llama")
    scores = continuation_logprobs(model, tokenizer, [("Under th", "e sea"), ("Under", " the sea")])
    assert scores.joint.tolist() == [False, True]
    assert scores.logprob[0] == pytest.approx(reference(model, tokenizer, "Under th", "e sea"), abs=1e-4)


@pytest.mark.parametrize("pair", [("", "text"), ("text", "")])
def test_an_empty_side_is_refused(pair, tokenizer, make_model):
    with pytest.raises(UsageError, match="both need text"):
        continuation_logprobs(make_model("llama"), tokenizer, [pair])


def test_a_text_beyond_the_models_positions_is_refused(tokenizer, make_model):
    model = make_model("gpt2")
    with pytest.raises(UsageError, match="does not fit this model's 1024 positions"):
        continuation_logprobs(model, tokenizer, [("a b " * 1000, "c")])


def test_progress_reaches_the_end(tokenizer, make_model):
    seen = []
    continuation_logprobs(make_model("llama"), tokenizer, dialogue_pairs(), progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen) and seen[-1] == (len(dialogue_pairs()), len(dialogue_pairs()))


def test_double_precision_is_asked_of_the_processor_alone(tokenizer, make_model, monkeypatch):
    """A Mac's GPU has no float64."""
    arrived, cpu, double = set(), torch.Tensor.cpu, torch.Tensor.double

    def to_processor(tensor):
        moved = cpu(tensor)
        arrived.add(id(moved))
        return moved

    def to_double(tensor):
        assert id(tensor) in arrived
        return double(tensor)

    monkeypatch.setattr(torch.Tensor, "cpu", to_processor)
    monkeypatch.setattr(torch.Tensor, "double", to_double)
    assert np.isfinite(continuation_logprobs(make_model("llama"), tokenizer, dialogue_pairs()[:4]).logprob).all() and arrived
