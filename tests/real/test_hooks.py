"""Reading and shifting the residual stream: whole batches, the model left as it was."""

from __future__ import annotations

import pytest
import torch

from psm.errors import UsageError
from psm.real.hooks import add, capture
from psm.real.upper import blocks, residual_at

TOKENS = torch.tensor([[3, 5, 7, 9], [4, 4, 8, 1]])


@pytest.mark.parametrize("kind", ["llama", "gpt2", "opt", "bloom"])
def test_what_is_captured_is_what_the_next_block_reads(kind, make_model):
    model = make_model(kind)
    with torch.no_grad(), capture(model, [0, 1]) as seen:
        inside = model(input_ids=TOKENS).logits
        outside_inputs = [residual_at(model, k, TOKENS) for k in (1, 2)]
    assert seen[0].shape == (2, 4, 32), "every text of the batch"
    assert torch.equal(seen[0], outside_inputs[0]) and torch.equal(seen[1], outside_inputs[1])
    assert torch.equal(inside, model(input_ids=TOKENS).logits), "capturing changes nothing"


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bloom"])
def test_an_added_vector_reaches_every_text_and_position(kind, make_model):
    model, vector = make_model(kind), torch.arange(32.0)
    with torch.no_grad():
        before, plain = residual_at(model, 1, TOKENS), model(input_ids=TOKENS).logits
        with add(model, 0, vector):
            assert torch.allclose(residual_at(model, 1, TOKENS), before + vector, atol=1e-6)
            assert not torch.allclose(model(input_ids=TOKENS).logits, plain)
        assert torch.equal(model(input_ids=TOKENS).logits, plain)


def test_hooks_are_gone_after_an_error_inside(make_model):
    model = make_model("llama")
    with pytest.raises(UsageError, match="cannot be added to a residual stream of width 32"), \
            capture(model, [0]), add(model, 1, torch.zeros(5)):
        model(input_ids=TOKENS)
    assert not any(block._forward_hooks for block in blocks(model))
    with pytest.raises(UsageError, match="has blocks 0 to 2, not 7"), capture(model, [0, 7]):
        pass
    assert not any(block._forward_hooks for block in blocks(model))
