"""Continuation scores against transformers' own logits, text by text, and the arithmetic of the margin."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, PreTrainedTokenizerFast, Qwen2Config

from psm.errors import UsageError
from psm.models import engine, margins
from psm.models.items import ARMS, item_prompt, load_items
from psm.models.engine import continuation_logprobs, tokenise_pair
from psm.models.margins import speaker_margins

ITEMS = load_items()[:2]


@pytest.fixture(scope="module")
def tokenizer():
    """A byte-level tokenizer of 600 tokens, learnt from the items' own text."""
    tokens = Tokenizer(BPE())
    tokens.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokens.decoder = ByteLevelDecoder()
    text = [item_prompt(item, character, 5, ARMS[0]) for item in load_items()[:8] for character in "ab"]
    tokens.train_from_iterator(text, BpeTrainer(vocab_size=600, initial_alphabet=ByteLevel.alphabet()))
    return PreTrainedTokenizerFast(tokenizer_object=tokens)


def make_model(kind: str):
    """A small random model whose predictions depend strongly on what came before and where."""
    torch.manual_seed(0)
    wide = {"vocab_size": 600, "initializer_range": 0.25, "bos_token_id": None, "eos_token_id": None}
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    config = {
        "llama": lambda: LlamaConfig(**wide, **shape),
        "gpt2": lambda: GPT2Config(**wide, n_embd=32, n_layer=2, n_head=4),
        "qwen2": lambda: Qwen2Config(**wide, **shape),
    }[kind]()
    return AutoModelForCausalLM.from_config(config).eval()


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


@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen2"])
@pytest.mark.parametrize("batch_tokens", [1, 300, 5000])
def test_scores_are_those_of_each_text_alone(kind, batch_tokens, tokenizer):
    model, pairs = make_model(kind), dialogue_pairs()
    scores = continuation_logprobs(model, tokenizer, pairs, batch_tokens=batch_tokens)
    expected = np.array([reference(model, tokenizer, *pair) for pair in pairs])
    np.testing.assert_allclose(scores.logprob, expected, atol=1e-4, rtol=1e-5)
    assert scores.joint.all()
    assert scores.tokens.tolist() == [len(tokenizer(text).input_ids) for _, text in pairs]
    assert np.ptp(expected[1:17:2]) > 1.0  # the same continuations after other contexts: the model listens to them


def test_an_architecture_that_was_not_checked_runs_text_by_text(tokenizer, monkeypatch):
    sizes = []
    score = engine._score_tree
    monkeypatch.setattr(engine, "_score_tree", lambda model, tree, starts: sizes.append(len(tree.paths)) or score(model, tree, starts))
    continuation_logprobs(make_model("qwen2"), tokenizer, dialogue_pairs())
    assert set(sizes) == {1}
    sizes.clear()
    continuation_logprobs(make_model("llama"), tokenizer, dialogue_pairs())
    assert max(sizes) > 4 and sum(sizes) == len(dialogue_pairs())


def test_shared_beginnings_are_run_once(tokenizer):
    texts = [[1, 2, 3], [1, 2, 4, 5], [1, 2, 3, 6], [7]]
    tree = engine._grow_tree(texts, budget=100)
    assert tree.token == [1, 2, 3, 4, 5, 6, 7]
    assert tree.parent == [-1, 0, 1, 1, 3, 2, -1]
    assert tree.paths == [[0, 1, 2], [0, 1, 3, 4], [0, 1, 2, 5], [6]]
    assert engine._grow_tree(texts, budget=4).paths == [[0, 1, 2]]
    assert len(engine._grow_tree(texts, budget=1).paths) == 1  # a text longer than the budget still runs


def test_a_token_across_the_boundary_is_not_credited_to_the_continuation(tokenizer):
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
def test_an_empty_side_is_refused(pair, tokenizer):
    with pytest.raises(UsageError, match="both need text"):
        continuation_logprobs(make_model("llama"), tokenizer, [pair])


def test_a_text_beyond_the_models_positions_is_refused(tokenizer):
    model = make_model("gpt2")
    with pytest.raises(UsageError, match="does not fit this model's 1024 positions"):
        continuation_logprobs(model, tokenizer, [("a b " * 1000, "c")])


def test_margins_follow_the_formula_on_a_real_forward_pass(tokenizer):
    model = make_model("llama")
    frame = speaker_margins(model, tokenizer, ITEMS, ks=(0, 2))
    assert list(frame.columns) == ["item", "k", "arm", "margin", "margin_per_token"]
    assert len(frame) == 2 * 2 * 2
    assert (frame.loc[frame.k == 0, ["margin", "margin_per_token"]] == 0).all(axis=None)
    for row in frame[frame.k == 2].itertuples():
        (item,) = (item for item in ITEMS if item.id == row.item)
        lp = {
            (context, text): reference(model, tokenizer, item_prompt(item, context, 2, row.arm), " " + item.final.answer(text))
            for context in "ab"
            for text in "ab"
        }
        n = {text: len(tokenizer(" " + item.final.answer(text)).input_ids) for text in "ab"}
        raw = ((lp["a", "a"] - lp["a", "b"]) - (lp["b", "a"] - lp["b", "b"])) / 2
        mean = ((lp["a", "a"] / n["a"] - lp["a", "b"] / n["b"]) - (lp["b", "a"] / n["a"] - lp["b", "b"] / n["b"])) / 2
        assert row.margin == pytest.approx(raw, abs=1e-3)
        assert row.margin_per_token == pytest.approx(mean, abs=1e-4)


def test_a_reader_that_tracks_who_speaks_shows_only_in_the_same_speaker_arm(tokenizer, monkeypatch):
    """A scorer that favours the character of the context by 3 nats if its speaker goes on, plus a bias for A."""

    def scorer(model, tokenizer, pairs, progress=None):
        logprob = []
        for prompt, continuation in pairs:
            (item,) = (item for item in ITEMS if item.description in prompt)
            character = "a" if item.turns[0].a in prompt else "b"
            in_character = continuation.strip() == item.final.answer(character)
            same = prompt.endswith(f"\n{item.speaker}:")
            logprob.append(3.0 * (in_character and same) + 7.0 * (continuation.strip() == item.final.a) - 50)
        return engine.ContinuationScores(np.array(logprob), np.full(len(pairs), 10), np.ones(len(pairs), bool))

    monkeypatch.setattr(margins, "continuation_logprobs", scorer)
    frame = speaker_margins(None, tokenizer, ITEMS, ks=(1, 5))
    same, other = frame[frame.arm == "same speaker"], frame[frame.arm == "other speaker"]
    assert same.margin.tolist() == [3.0] * 4 and other.margin.tolist() == [0.0] * 4
    assert same.margin_per_token.tolist() == pytest.approx([0.3] * 4)


def test_progress_reaches_the_end(tokenizer):
    seen = []
    continuation_logprobs(make_model("llama"), tokenizer, dialogue_pairs(), progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen) and seen[-1] == (len(dialogue_pairs()), len(dialogue_pairs()))
