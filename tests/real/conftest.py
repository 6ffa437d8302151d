"""Small random models of several architectures, and a tokenizer learnt from the items' own text."""

import pytest


@pytest.fixture(scope="session")
def tokenizer():
    """A byte-level tokenizer of 600 tokens."""
    from tokenizers import Tokenizer
    from tokenizers.decoders import ByteLevel as ByteLevelDecoder
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.trainers import BpeTrainer
    from transformers import PreTrainedTokenizerFast

    from psm.real.items import ARMS, item_prompt, load_items

    tokens = Tokenizer(BPE())
    tokens.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokens.decoder = ByteLevelDecoder()
    text = [item_prompt(item, character, 5, ARMS[0]) for item in load_items()[:8] for character in "ab"]
    tokens.train_from_iterator(text, BpeTrainer(vocab_size=600, initial_alphabet=ByteLevel.alphabet()))
    return PreTrainedTokenizerFast(tokenizer_object=tokens)


@pytest.fixture(scope="session")
def make_model():
    """Makes a random model whose predictions depend strongly on what came before and where. d 32, three blocks."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    wide = {"vocab_size": 600, "bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    shape = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
    grouped = {"intermediate_size": 64, "num_key_value_heads": 2, "initializer_range": 0.25}
    settings = {
        "llama": shape | grouped,
        "qwen2": shape | grouped,
        "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 4, "initializer_range": 0.25},
        "opt": shape | {"ffn_dim": 64, "word_embed_proj_dim": 32, "init_std": 0.25},
        "gpt_neox": shape | {"intermediate_size": 64, "initializer_range": 0.25},
        "gemma3_text": shape | grouped | {
            "head_dim": 8, "sliding_window": 8, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        },
        "bloom": {"hidden_size": 32, "n_layer": 3, "n_head": 4, "initializer_range": 0.25},
    }

    def make(kind: str):
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **wide, **settings[kind])).eval()

    return make
