"""A folder with a model in the usual form (config.json, *.safetensors, a tokenizer), checked without loading it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from psm.errors import UsageError
from psm.real.kept import Resolved, remembered_digest

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
TOKENIZERS = ("tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
TEXTS = (
    CONFIG, "generation_config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt",
    "chat_template.jinja", INDEX, *TOKENIZERS,
)
ADAPTER = "adapter_config.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack")
CAUSAL = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")  # the last also names models of pictures and text; loading decides
HEADER_LIMIT = 100_000_000  # bytes; safetensors itself reads no longer header


def resolve_folder(folder: Path) -> Resolved:
    """Describe the model in `folder`. Raises UsageError with one line when it is not one that the book opens."""
    folder = folder.expanduser().resolve()
    config = check_config(folder, str(folder))
    weights = weight_files(folder)
    for path in weights:
        check_safetensors(path, str(path))
    names = [path.name for path in folder.iterdir()]
    demand_tokenizer(names, str(folder))
    refuse_adapter(names, str(folder))
    title = f"{folder.name} ({config.get('model_type', 'model')} in a local folder)"
    return Resolved(folder.name, weights_digest(weights)[:12], kind_of(folder), folder, title, "not stated", str(folder))


def check_config(folder: Path, shown: str) -> dict[str, Any]:
    """The model's config.json. Raises UsageError when it is missing, wants code or weights of its own, or is no causal model."""
    if not (folder / CONFIG).is_file():
        raise UsageError(f"{shown} holds no {CONFIG}: give a folder as transformers' save_pretrained writes it")
    config = _read_mapping(folder / CONFIG)
    for mapping in (config, _tokenizer_config(folder)):
        if mapping.get("auto_map"):
            raise UsageError(f"{shown} needs Python code of its own (auto_map), which is never run: use a model without any")
    if config.get("transformers_weights"):
        raise UsageError(f"{shown} names its weights in {CONFIG} (transformers_weights), which is not read: save the model as {SINGLE}")
    kinds = config.get("architectures") or []
    if config.get("is_encoder_decoder") or kinds and not any(mark in str(kind) for kind in kinds for mark in CAUSAL):
        named = ", ".join(map(str, kinds)) or "an encoder and decoder"
        raise UsageError(f"{shown} is not a causal language model ({named}): use one whose architecture is named ...ForCausalLM")
    return config


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that hold the weights: one, or all that the index names. Raises UsageError when there are none."""
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if (folder / INDEX).is_file():
        paths = [folder / name for name in indexed(folder / INDEX)]
        for path in paths:
            if not path.is_file():
                raise UsageError(f"{path} is missing, though {INDEX} names it: copy or download the model again")
        return paths
    raise UsageError(no_safetensors(str(folder), (path.name for path in folder.iterdir())))


def demand_tokenizer(names: Iterable[str], shown: str) -> None:
    """Raises UsageError when none of the files is a tokenizer."""
    if not set(TOKENIZERS) & set(names):
        raise UsageError(f"{shown} holds no tokenizer ({', '.join(TOKENIZERS[:4])}): it has to lie beside the weights")


def refuse_adapter(names: Iterable[str], shown: str) -> None:
    """Raises UsageError when one of the files is an adapter's, which transformers would put on the weights unasked."""
    if ADAPTER in names:
        raise UsageError(f"{shown} holds an adapter, which is not read: merge it (merge_and_unload) and save again")


def indexed(index: Path) -> list[str]:
    """Names of the files in an index of sharded weights, sorted. Raises UsageError when it names none or one elsewhere."""
    places = _read_mapping(index).get("weight_map")
    names = sorted({str(name) for name in places.values()}) if isinstance(places, Mapping) else []
    if not names or any(Path(name).name != name or not name.endswith(".safetensors") for name in names):
        raise UsageError(f"{index} is corrupt (it must name .safetensors files beside it): copy or download the model again")
    return names


def no_safetensors(shown: str, names: Iterable[str]) -> str:
    """Why a model without usable weights is refused."""
    pickles = sorted(name for name in names if name.endswith(PICKLES))
    if pickles:
        return f"{shown} has its weights only as {pickles[0]}, which can run code when read: save it as safetensors (save_pretrained does)"
    return f"{shown} holds no {SINGLE} and no {INDEX}: give a folder as transformers' save_pretrained writes it"


def check_safetensors(path: Path, shown: str) -> None:
    """Raises UsageError when the file's header and its length do not fit each other. Reads the header only."""
    size = path.stat().st_size
    try:
        with open(path, "rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= min(HEADER_LIMIT, size - 8):
                raise ValueError("its header is torn")
            header = json.loads(stream.read(length))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        if max(ends, default=0) != size - 8 - length:
            raise ValueError(f"it should be {max(ends, default=0) + 8 + length} bytes long and is {size}")
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise UsageError(f"{shown} is not a whole safetensors file ({' '.join(str(error).split())}): copy or download it again") from None


def kind_of(folder: Path) -> str:
    """"chat" when the tokenizer has a chat template, else "base"."""
    return "chat" if (folder / "chat_template.jinja").is_file() or _tokenizer_config(folder).get("chat_template") else "base"


def weights_digest(paths: list[Path]) -> str:
    """SHA-256 of one weight file, or of the list of names and SHA-256s of several."""
    digests = {path.name: remembered_digest(path) for path in paths}
    return next(iter(digests.values())) if len(digests) == 1 else joined_digest(digests)


def joined_digest(digests: Mapping[str, str]) -> str:
    """SHA-256 of a list of files, each by name and SHA-256."""
    return sha256("".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()).hexdigest()


def folder_digest(folder: Path) -> str:
    """SHA-256 over all that decides what the model in `folder` answers: weights, config and tokenizer."""
    texts = [folder / name for name in TEXTS if (folder / name).is_file()]
    return joined_digest({path.name: remembered_digest(path) for path in [*texts, *weight_files(folder)]})


def _tokenizer_config(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer_config.json"
    return _read_mapping(path) if path.is_file() else {}


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise UsageError(f"{path} is corrupt ({' '.join(str(error).split())}): copy or download the model again") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path} is corrupt (not a mapping): copy or download the model again")
    return content
