"""The tiny transformer of the persona world: a Llama of the transformers library, well below a million parameters."""

from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from psm.models.config import TinyConfig


def build_tiny(config: TinyConfig, vocabulary_size: int, seed: int) -> LlamaForCausalLM:
    """A freshly initialised model, in float32: bfloat16 is emulated on most CPUs and far slower."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary_size,
            hidden_size=config.hidden,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.heads,
            intermediate_size=config.feed_forward,
            max_position_embeddings=config.positions,
            tie_word_embeddings=True,
            attn_implementation="sdpa",
            use_cache=False,
            initializer_range=config.initializer,
            bos_token_id=None,
            eos_token_id=None,
            pad_token_id=0,
        )
    )
