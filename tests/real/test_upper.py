"""Upper blocks from cached activations: the model's own logits, for several architectures, with adapters, after errors."""

from __future__ import annotations

import pytest
import torch

from psm.errors import UsageError
from psm.real.upper import blocks, residual_at, resume

KINDS = ["llama", "qwen2", "gpt2", "opt", "gpt_neox", "gemma3_text"]
TOKENS = torch.tensor([[3, 5, 7, 9, 11, 2], [4, 4, 8, 1, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])


def forward(model, **inputs):
    """Logits of TOKENS."""
    return model(input_ids=TOKENS, attention_mask=MASK, **inputs).logits


@pytest.mark.parametrize("k", [0, 1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_upper_blocks_give_the_model_s_own_logits(kind, k, make_model):
    model = make_model(kind)
    with torch.no_grad():
        whole = forward(model)
        cached = residual_at(model, k, TOKENS, attention_mask=MASK)
        with resume(model, k, cached):
            above = forward(model)
        assert torch.allclose(whole[MASK.bool()], above[MASK.bool()], atol=1e-5)
        assert torch.equal(forward(model), whole), "the model is as it was"


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_are_found_and_lower_ones_are_not_run(kind, make_model):
    model = make_model(kind)
    assert len(blocks(model)) == model.config.num_hidden_layers
    cached = residual_at(model, 2, TOKENS)
    with torch.no_grad():
        for weight in blocks(model)[0].parameters():
            weight.fill_(float("nan"))
        with resume(model, 2, cached):
            assert model(input_ids=TOKENS).logits.isfinite().all()
        for weight in blocks(model)[2].parameters():
            weight.fill_(float("nan"))
    assert residual_at(make_model(kind), 2, TOKENS).equal(cached)


def test_residual_at_runs_no_block_above(make_model):
    model, ran = make_model("llama"), []
    for index, block in enumerate(blocks(model)):
        block.register_forward_hook(lambda module, args, out, index=index: ran.append(index))
    model.lm_head.register_forward_hook(lambda module, args, out: ran.append("head"))
    residual_at(model, 1, TOKENS)
    assert ran == [0]


def test_the_model_is_restored_after_an_error_inside(make_model):
    model = make_model("llama")
    before = forward(model)
    cached = residual_at(model, 2, TOKENS, attention_mask=MASK)
    with pytest.raises(RuntimeError, match="inside"), resume(model, 2, cached):
        raise RuntimeError("inside")
    assert torch.equal(forward(model), before)
    assert not any(block._forward_pre_hooks or "forward" in vars(block) for block in blocks(model))


def test_a_wrong_shape_or_block_is_said(make_model):
    model = make_model("gpt2")
    with pytest.raises(UsageError, match=r"cached activations of shape \(1, 6, 32\).*\(2, 6, 32\)"), \
            resume(model, 1, residual_at(model, 1, TOKENS[:1])):
        forward(model)
    with pytest.raises(UsageError, match="has blocks 0 to 2, not 3"):
        residual_at(model, 3, TOKENS)


def test_blocks_that_return_tuples_are_refused(make_model):
    model = make_model("bloom")
    with pytest.raises(UsageError, match="blocks of BloomForCausalLM do not return a plain tensor"), \
            resume(model, 2, residual_at(model, 2, TOKENS)):
        forward(model)


def test_gradients_of_adapters_above_are_those_of_the_whole_model(make_model):
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], layers_to_transform=[1, 2], init_lora_weights=False)
    torch.manual_seed(0)
    model = peft.get_peft_model(make_model("llama"), config)
    adapters = [weight for weight in model.parameters() if weight.requires_grad]
    whole = torch.autograd.grad(forward(model).logsumexp(-1).sum(), adapters)
    with resume(model, 1, residual_at(model, 1, TOKENS, attention_mask=MASK)):
        above = torch.autograd.grad(forward(model).logsumexp(-1).sum(), adapters)
    assert len(adapters) == 8
    for one, other in zip(whole, above):
        assert torch.allclose(one, other, atol=1e-5)
