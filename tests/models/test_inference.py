"""Holding a model against Bayes: a perfect reader scores one, someone who never updates zero."""

import numpy as np
import pytest
import torch

from psm.models.config import TinyConfig
from psm.models.inference import against_bayes
from psm.models.scoring import next_token_logprobs
from psm.models.tiny import build_tiny
from psm.world.posterior import posterior_by_turn, predictive_tokens
from psm.world.sampler import sample_dialogues


class Oracle:
    """Stands in for a model: answers with given distributions, as a transformer that had learnt them would."""

    def __init__(self, logprobs):
        self.table = torch.as_tensor(logprobs)
        self.model, self.lm_head, self.read = self, lambda hidden: hidden, 0

    def eval(self):
        return self

    def __call__(self, tokens):
        rows = self.table[self.read : self.read + len(tokens)]
        self.read += len(tokens)
        return type("Output", (), {"last_hidden_state": rows})()


def oracle(world, dialogues, posterior):
    table = np.full((*dialogues.tokens.shape, len(world.vocabulary)), -60.0)
    for j, position in enumerate(dialogues.answer_positions()):
        exact = predictive_tokens(world, posterior[:, j], dialogues.domain[:, j], dialogues.topic[:, j], dialogues.cue[:, j])
        table[:, position] = np.log(np.maximum(exact, 1e-26))
    return Oracle(table)


def test_a_perfect_reader_captures_everything_and_a_stubborn_one_nothing(main_world):
    dialogues = sample_dialogues(main_world, np.random.default_rng(0), 60)
    exact = posterior_by_turn(main_world, dialogues)
    perfect = against_bayes(oracle(main_world, dialogues, exact), main_world, dialogues)
    assert perfect.captured()[1:] == pytest.approx(np.ones(11), abs=1e-6)
    flat = np.broadcast_to(main_world.prior, exact.shape)
    stubborn = against_bayes(oracle(main_world, dialogues, flat), main_world, dialogues)
    assert stubborn.captured()[1:] == pytest.approx(np.zeros(11), abs=1e-6)
    assert np.isnan(perfect.captured()[0])


def test_a_reader_who_pools_speakers_is_told_from_one_who_does_not(main_world):
    from dataclasses import replace

    from psm.models.inference import readers_apart

    dialogues = sample_dialogues(main_world, np.random.default_rng(3), 80, speakers=2)
    exact = posterior_by_turn(main_world, dialogues)
    pooled = posterior_by_turn(main_world, replace(dialogues, speaker=np.zeros_like(dialogues.speaker)))
    assert readers_apart(main_world, dialogues, exact, exact) == pytest.approx(0, abs=1e-9)
    apart = readers_apart(main_world, dialogues, exact, pooled)
    assert apart[:, 0] == pytest.approx(0, abs=1e-9) and apart[:, 5:].mean() > 0.1


def test_an_untrained_model_captures_nothing(main_world):
    model = build_tiny(TinyConfig(hidden=32, heads=2, feed_forward=64), len(main_world.vocabulary), seed=0)
    dialogues = sample_dialogues(main_world, np.random.default_rng(1), 20)
    assert (against_bayes(model, main_world, dialogues).captured()[1:] < 0).all()


def test_log_probabilities_equal_transformers_own(main_world):
    model = build_tiny(TinyConfig(hidden=32, heads=2, feed_forward=64), len(main_world.vocabulary), seed=0).eval()
    dialogues = sample_dialogues(main_world, np.random.default_rng(2), 7)
    positions = dialogues.answer_positions()
    with torch.no_grad():
        theirs = torch.log_softmax(model(torch.as_tensor(dialogues.tokens)).logits, -1)[:, positions].numpy()
    assert next_token_logprobs(model, dialogues.tokens, positions, batch=3) == pytest.approx(theirs, abs=1e-5)
