"""Turning a GGUF file into a plain model folder, once, and opening such a folder again.

Weights are stored in fp32. A Q4_1 weight is `scale * q + minimum` with two fp16 numbers and a 4-bit q; that value
needs more bits than fp16 has (storing it in fp16 moves weights by up to 0.002), and fp32 is also what the CPU
computes in, so the file on disk is exactly the model that is measured.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psm.errors import RunError, UsageError
from psm.real.upper import blocks

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

WEIGHTS = "model.safetensors"
NEEDED = ("gguf", "accelerate")  # what transformers wants before it reads a GGUF file
LOGIT_TOLERANCE = 1e-4
LOCAL = {"local_files_only": True, "trust_remote_code": False}
PROBE = "Once upon a time there was a lighthouse keeper who talked to the gulls."


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no advice from transformers while a model is read."""
    from transformers.utils import logging

    bar, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def read_folder(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model (fp32, evaluation mode) and tokenizer of a local folder: safetensors only, no network, no foreign code.

    Raises UsageError with one line when the folder does not load as a causal language model with all its weights.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet():
        try:
            model, report = AutoModelForCausalLM.from_pretrained(
                folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **LOCAL
            )
            tokenizer = AutoTokenizer.from_pretrained(folder, **LOCAL)
        except Exception as error:  # any of the many ways in which a model can be unfit
            raise UsageError(f"{folder} does not load as a causal language model ({_one_line(error)})") from None
    _demand_one_model(model, report, folder)
    return model.eval(), tokenizer


def check_opens(folder: Path) -> None:
    """Raises UsageError unless transformers knows the folder's model as a causal one and its tokenizer opens. Reads no weights."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    with quiet():
        try:
            config = AutoConfig.from_pretrained(folder, **LOCAL)
            known = type(config) in AutoModelForCausalLM._model_mapping
            AutoTokenizer.from_pretrained(folder, **LOCAL)
        except Exception as error:  # any of the many ways in which a model can be unfit
            raise UsageError(f"{folder} does not open as a language model with its tokenizer ({_one_line(error)})") from None
    if not known:
        raise UsageError(f"{folder} is a model of type '{config.model_type}', which transformers does not know as a causal one: use one "
                         "whose architecture is named ...ForCausalLM")


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _demand_one_model(model: PreTrainedModel, report: dict[str, Any], folder: Path) -> None:
    """Raises UsageError when weights that the config asks for are missing, or there are weights of more blocks than it names."""
    absent = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
    if absent:
        lost = f"{len(absent)} of the weights that its config.json asks for (such as {absent[0]})"
        raise UsageError(f"{folder} lacks {lost}: config.json and weights are not of one model")
    every = blocks(model)
    root, _, place = next(name for name, module in model.named_modules() if module is every).partition(".")
    at = re.compile(rf"(?:{re.escape(root)}\.)?{re.escape(place)}\.(\d+)\." if place else rf"{re.escape(root)}\.(\d+)\.")
    beyond = sorted(key for key in map(str, report["unexpected_keys"]) if (found := at.match(key)) and int(found[1]) >= len(every))
    if beyond:
        more = f"holds weights of more layers (such as {beyond[0]}) than the {len(every)} that its config.json names"
        raise UsageError(f"{folder} {more}: config.json and weights are not of one model")


def convert_gguf(gguf_file: Path, folder: Path) -> None:
    """Write config, fp32 weights and tokenizer of `gguf_file` into the existing `folder`, then check them.

    The check reads the folder back: every weight must be bitwise equal and the logits of a sentence within 1e-4.
    Raises UsageError when a package is missing, RunError when the file cannot be converted faithfully.
    """
    for package in NEEDED:
        if importlib.util.find_spec(package) is None:
            raise UsageError(f"converting a GGUF model needs the package {package}: pip install {package}")
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = {"pretrained_model_name_or_path": gguf_file.parent, "gguf_file": gguf_file.name, **LOCAL}
    with quiet():
        try:
            model = AutoModelForCausalLM.from_pretrained(dtype=torch.float32, **place).eval()
            tokenizer = AutoTokenizer.from_pretrained(**place)
        except (ValueError, KeyError, OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise RunError(f"{gguf_file.name} cannot be read as a GGUF model ({reason})") from None
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        weights.pop("lm_head.weight", None)
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config  # the folder holds plain weights and is read as such
    config.architectures = [type(model).__name__]
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _check_faithful(model, tokenizer, folder)


def _check_faithful(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Compare the converted folder, read back, with the model in memory. Raises RunError on any difference."""
    import torch

    again, tokenizer_again = read_folder(folder)
    ids = tokenizer(PROBE, return_tensors="pt").input_ids
    if tokenizer_again(PROBE).input_ids != ids[0].tolist():
        raise RunError(f"the tokenizer of {folder.name} differs after it was written and read back")
    before, after = model.state_dict(), again.state_dict()
    if before.keys() != after.keys() or any(not torch.equal(before[name], after[name]) for name in before):
        raise RunError(f"weights of {folder.name} differ after they were written and read back")
    with torch.no_grad():
        difference = (model(ids).logits - again(ids).logits).abs().max().item()
    if not difference <= LOGIT_TOLERANCE:
        raise RunError(f"logits of {folder.name} differ by {difference:.1e} after the model was written and read back")
