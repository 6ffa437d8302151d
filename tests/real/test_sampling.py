"""Samples: greedy ones against a plain loop, whatever the batch; seeded ones that repeat; where a text ends."""

from __future__ import annotations

import pytest
import torch
from transformers import GenerationConfig

from psm.errors import UsageError
from psm.real.loading import RealModel
from psm.real.sampling import generate, sample

PROMPTS = ["The sea", "Once there was a cat who", "Answer", "The sea was calm and the gulls", "A long way from"]


@pytest.fixture
def make_real(make_model, tokenizer):
    """Makes a tiny base model with its tokenizer."""
    return lambda kind: RealModel("tiny", "0" * 12, "base", make_model(kind), tokenizer)


def greedy(real: RealModel, prompt: str, n: int) -> str:
    """The plain way: the whole text again for each token."""
    ids = real.tokenizer(prompt).input_ids
    start = len(ids)
    with torch.no_grad():
        for _ in range(n):
            ids.append(real.model(torch.tensor([ids])).logits[0, -1].argmax().item())
    return real.tokenizer.decode(ids[start:])


@pytest.mark.parametrize("kind", ["llama", "gpt2", "opt", "gemma3_text"])
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_greedy_texts_do_not_depend_on_the_batch(kind, batch, make_real):
    real = make_real(kind)
    assert sample(real, PROMPTS, 12, seed=0, temperature=0, batch=batch) == [greedy(real, prompt, 12) for prompt in PROMPTS]


def test_the_same_seed_gives_the_same_texts_and_another_seed_others(make_real):
    real = make_real("llama")
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = sample(real, PROMPTS, 10, seed=1)
    assert torch.equal(torch.get_rng_state(), state), "nobody else's random numbers change"
    assert sample(real, PROMPTS, 10, seed=1) == first
    assert sample(real, PROMPTS, 10, seed=2) != first


def test_samples_follow_the_whole_distribution(make_real):
    """Frequencies of the first token against the model's probabilities, without cutting off unlikely ones."""
    real = make_real("llama")
    with torch.no_grad():
        for weight in real.model.lm_head.parameters():
            weight.mul_(0.05)       # nearly uniform: a cut at the 50 likeliest would show at once
    written = sample(real, ["The sea"] * 400, 1, seed=0, batch=200)
    assert len(set(written)) > 150


def test_a_text_ends_with_the_turn(make_real):
    real = make_real("llama")
    with torch.no_grad():
        third = real.model.generate(torch.tensor([real.tokenizer("The sea").input_ids]), max_new_tokens=3, do_sample=False)[0, -1].item()
    real.tokenizer.eos_token = real.tokenizer.convert_ids_to_tokens(third)
    try:
        assert sample(real, ["The sea", "Answer"], 12, seed=0, temperature=0)[0] == greedy(real, "The sea", 2)
    finally:
        real.tokenizer.eos_token = None


@pytest.mark.parametrize("temperature", [0, 1.0])
def test_a_models_own_settings_of_generation_change_nothing(temperature, make_real):
    real = make_real("llama")
    plain = sample(real, PROMPTS, 20, seed=3, temperature=temperature)
    mine = GenerationConfig(repetition_penalty=5.0, min_p=0.9, no_repeat_ngram_size=1, bad_words_ids=[[7]], max_length=30, num_beams=2)
    real.model.generation_config = mine
    assert sample(real, PROMPTS, 20, seed=3, temperature=temperature) == plain
    assert real.model.generation_config is mine


def test_what_the_models_settings_declare_ends_a_text_too(make_real):
    real = make_real("llama")
    (whole,) = generate(real, [real.tokenizer("The sea").input_ids], 12)
    real.model.generation_config.eos_token_id = [whole[4], whole[4]]
    assert generate(real, [real.tokenizer("The sea").input_ids], 12) == [whole[: whole.index(whole[4])]]


def test_what_cannot_be_continued_is_said(make_real):
    real = make_real("gpt2")
    with pytest.raises(UsageError, match="needs text"):
        sample(real, [""], 5, seed=0)
    with pytest.raises(UsageError, match="and 1023 new ones do not fit this model's 1024 positions"):
        sample(real, ["The sea"], 1023, seed=0)


def test_progress_reaches_the_end(make_real):
    seen = []
    sample(make_real("llama"), PROMPTS, 2, seed=0, batch=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 5), (4, 5), (5, 5)]
