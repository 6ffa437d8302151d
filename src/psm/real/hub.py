"""Models of a hub: one exact commit of a repository, only config, tokenizer and safetensors, each file checked and recorded.

A model lives in `<workspace>/models/hub/<owner>--<name>/<first 12 digits of the commit>/`.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psm.errors import UsageError
from psm.files import read_json, replace_folder, sha256_file, write_json
from psm.real.folders import (
    CONFIG, INDEX, SINGLE, TEXTS, check_config, check_safetensors, demand_tokenizer, indexed, joined_digest, kind_of,
    no_safetensors, refuse_adapter,
)
from psm.real.kept import RECORD, ModelMissing, Progress, Resolved, damaged, models_folder, read_record, watched, workshop

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo, RepoSibling

HUB = "https://huggingface.co"
FIELDS = ("repository", "commit", "asked", "files", "kind", "model_type", "licence", "size")  # of a record
NEWEST = "main"  # the revision that an id without one means
LONGEST = 96  # characters of a repository's id
TIMEOUT = 20.0  # seconds to wait for the hub's answer
_ID = re.compile(r"([\w.-]+/[\w.-]+?)(?:@([\w./-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True)
class HubId:
    """A repository on the hub and, where it was pinned, the revision: a commit, a tag or a branch."""

    repository: str  # owner/name
    revision: str | None

    def __str__(self) -> str:
        return self.repository + (f"@{self.revision}" if self.revision else "")


def parse(spec: str) -> HubId | None:
    """The hub id that a text such as owner/name or owner/name@revision is, or None when it is none."""
    match = _ID.fullmatch(spec)
    fits = match and len(match[1]) <= LONGEST and not spec.startswith(".") and ".." not in spec
    return HubId(*match.groups()) if fits else None


def _shelf(repository: str) -> Path:
    """Folder of all commits of a repository that were fetched."""
    return models_folder() / "hub" / repository.replace("/", "--")


def cached(wanted: HubId) -> tuple[Path, dict[str, Any]] | None:
    """Folder and record of a fetched commit that `wanted` names, the one recorded last where several fit. Asks no network."""
    fitting = [entry for entry in _on_shelf(wanted.repository) if _fits(wanted.revision or NEWEST, entry[1])]
    return max(fitting, key=lambda entry: (entry[0] / RECORD).stat().st_mtime_ns, default=None)


def _on_shelf(repository: str) -> list[tuple[Path, dict[str, Any]]]:
    """Folder and record of every fetched commit of a repository."""
    found = [(path, _record(path)) for path in sorted(_shelf(repository).glob("[0-9a-f]*"))]
    return [(path, record) for path, record in found if record and record["repository"] == repository]


def _record(folder: Path) -> dict[str, Any] | None:
    """The record of a fetched commit, or None when it is absent, torn or of another make. Hashes nothing."""
    record = read_record(folder)
    return record if record and set(FIELDS) <= set(record) else None


def _fits(revision: str, record: dict[str, Any]) -> bool:
    commit_named = _COMMIT.fullmatch(revision) and record["commit"].startswith(revision)
    return bool(commit_named) or revision in record["asked"]


def _asked_before(folder: Path) -> set[str]:
    """Revisions by which a commit was asked for so far, also where files of it are damaged or gone."""
    try:
        record = read_json(folder / RECORD)
    except (UsageError, OSError):
        return set()
    asked = record.get("asked") if isinstance(record, dict) else None
    return set(asked) if isinstance(asked, list) else set()


def _remember(wanted: HubId, target: Path) -> None:
    """Record that the asked revision means the commit in `target`, and no longer another one."""
    asked = wanted.revision or NEWEST
    records = dict(_on_shelf(wanted.repository))
    for path in (target, *(other for other in records if other != target)):   # the gain first: a name is never nobody's
        names = set(records[path]["asked"])
        now = names | {asked} if path == target else names - {asked}
        if now != names:
            write_json(path / RECORD, records[path] | {"asked": sorted(now)})


def fetched() -> list[tuple[Resolved, dict[str, Any]]]:
    """Every hub model that was fetched, with its record, by name."""
    found = [(path, _record(path)) for path in sorted((models_folder() / "hub").glob("*--*/[0-9a-f]*"))]
    return [(_described(path, record), record) for path, record in found if record]


def resolve_hub(wanted: HubId) -> Resolved:
    """The fetched model that `wanted` names. Raises ModelMissing with the command that fetches it."""
    found = cached(wanted)
    if found is None:
        raise ModelMissing(f"model '{wanted}' is not on this machine (no folder, and not fetched from the hub): psm models fetch {wanted}")
    return _described(*found)


def _described(folder: Path, record: dict[str, Any]) -> Resolved:
    name, commit = record["repository"], record["commit"]
    return Resolved(name, commit[:12], record["kind"], folder, f"{name} ({record['model_type']})", record["licence"], f"{name}@{commit}")


def hub_digest(wanted: HubId) -> str | None:
    """SHA-256 over all files of a fetched model as recorded when it was fetched, or None. Cheap."""
    found = cached(wanted)
    return joined_digest(found[1]["files"]) if found else None


def fetch_hub(wanted: HubId, say: Progress) -> Path:
    """Fetch one commit of a model unless it is here and intact; returns its folder. A revision that is here asks no network.

    Raises UsageError with one line when the hub cannot be reached, does not have it, or it is not a model this book opens.
    """
    with workshop(models_folder() / "hub", say) as new_part:
        here = cached(wanted)
        intact = here is not None and damaged(*here) is None
        if intact and wanted.revision:
            say(f"{wanted} is already here")
            return here[0]
        try:
            info = _ask(wanted, say)
        except UsageError as error:
            if not intact:
                raise
            say(f"the hub could not be asked ({error}); using commit {here[1]['commit']} of {wanted.repository}, which is here")
            return here[0]
        target = _shelf(wanted.repository) / info.sha[:12]
        record = _record(target)
        if record and (record["repository"], record["commit"]) == (wanted.repository, info.sha) and damaged(target, record) is None:
            say(f"{wanted.repository} is already here at this commit")
        else:
            with new_part() as part:
                _build(wanted, info, part, target, say)
        _remember(wanted, target)
        return target


def _ask(wanted: HubId, say: Progress) -> ModelInfo:
    """What the hub says about the revision: its exact commit and its files."""
    with _hub_errors(wanted):
        from huggingface_hub import HfApi

        info = HfApi(endpoint=_endpoint()).model_info(wanted.repository, revision=wanted.revision, timeout=TIMEOUT, files_metadata=True)
    if not re.fullmatch(r"[0-9a-f]{40}", info.sha or ""):
        raise UsageError(f"the hub names no commit for '{wanted}': try again later")
    if wanted.revision != info.sha:
        say(f"{wanted} is now at commit {info.sha}; pin it with: {wanted.repository}@{info.sha}")
    return info


def _build(wanted: HubId, info: ModelInfo, part: Path, target: Path, say: Progress) -> None:
    """Download, check and record the files of one commit inside `part` and move them to `target`."""
    files = {sibling.rfilename: sibling for sibling in info.siblings or []}
    if not {SINGLE, INDEX} & set(files):
        raise UsageError(no_safetensors(f"model '{wanted}'", files))
    if CONFIG not in files:
        raise UsageError(f"model '{wanted}' has no {CONFIG}: it is not in the form that transformers opens")
    demand_tokenizer(files, f"model '{wanted}'")
    refuse_adapter(files, f"model '{wanted}'")
    made = part / "made"
    texts = [name for name in TEXTS if name in files]
    _download(wanted, info.sha, texts, made)
    config = check_config(made, f"model '{wanted}'")
    weights = [SINGLE] if SINGLE in files else indexed(made / INDEX)
    missing = [name for name in weights if name not in files]
    if missing:
        raise UsageError(f"model '{wanted}' lacks {missing[0]}, though its {INDEX} names it: pin another revision")
    size = sum(files[name].size or 0 for name in weights)
    say(f"downloading {wanted.repository} at commit {info.sha} ({size / 1e6:.0f} MB) from {_endpoint()}")
    with watched(made, size, say):
        _download(wanted, info.sha, weights, made)
    shutil.rmtree(made / ".cache", ignore_errors=True)
    say("checking")
    digests = _checked(wanted, made, {name: files[name] for name in (*texts, *weights)})
    write_json(made / RECORD, {
        "repository": wanted.repository, "commit": info.sha, "files": digests,
        "asked": sorted(_asked_before(target) | {wanted.revision or NEWEST}),
        "kind": kind_of(made), "model_type": str(config.get("model_type", "model")), "licence": _licence(info), "size": size,
    })
    replace_folder(made, target)


def _download(wanted: HubId, commit: str, names: list[str], folder: Path) -> None:
    """Download exactly these files of a commit into `folder`."""
    with _hub_errors(wanted):
        from huggingface_hub import snapshot_download

        snapshot_download(wanted.repository, revision=commit, local_dir=folder, allow_patterns=names, endpoint=_endpoint(), max_workers=4)


def _checked(wanted: HubId, folder: Path, files: dict[str, RepoSibling]) -> dict[str, str]:
    """SHA-256 of each of the files, every one compared with what the hub says of it.

    Raises UsageError where one did not arrive, the hub says nothing of it, or it differs.
    """
    digests = {}
    for name in sorted(files):
        path, shown = folder / name, f"{name} of model '{wanted}'"
        if not path.is_file():
            raise UsageError(f"{shown} did not arrive: nothing was kept, fetch it again")
        digests[name] = sha256_file(path)
        told = files[name]
        named, arrived = (told.lfs.sha256, digests[name]) if told.lfs is not None else (told.blob_id, _git_blob(path))
        if not named:
            raise UsageError(f"{shown} cannot be checked, for the hub names no digest of it: nothing was kept, take it from another hub")
        if arrived != named:
            raise UsageError(f"{shown} arrived with another SHA-256 than the hub names: nothing was kept, fetch it again")
        if path.suffix == ".safetensors":
            check_safetensors(path, shown)
    return digests


def _git_blob(path: Path) -> str:
    """The name that git gives to a file's content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _licence(info: ModelInfo) -> str:
    tags = [tag.removeprefix("license:") for tag in info.tags or [] if tag.startswith("license:")]
    return tags[0] if tags else "not stated"


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", HUB).rstrip("/")


@contextlib.contextmanager
def _hub_errors(wanted: HubId) -> Iterator[None]:
    """Turn what the hub's client raises into one line, and keep its bars and advice off the terminal."""
    from huggingface_hub import errors
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    logger = logging.getLogger("huggingface_hub")
    level, bars = logger.level, not are_progress_bars_disabled()
    logger.setLevel(logging.ERROR)
    disable_progress_bars()
    try:
        yield
    except errors.GatedRepoError:
        raise UsageError(
            f"model '{wanted}' is gated: accept its terms at {_endpoint()}/{wanted.repository}, then set HF_TOKEN to a token of yours"
        ) from None
    except errors.RepositoryNotFoundError:
        raise UsageError(f"the hub has no model '{wanted.repository}' (or it is private: then set HF_TOKEN); check its spelling") from None
    except errors.RevisionNotFoundError:
        raise UsageError(f"model '{wanted.repository}' has no revision '{wanted.revision}': give a whole commit, tag or branch") from None
    except errors.HFValidationError as error:
        raise UsageError(f"'{wanted}' is not a hub id ({_one_line(error)}): write owner/name or owner/name@revision") from None
    except Exception as error:  # a network fails in many ways
        raise UsageError(f"model '{wanted}' could not be fetched from {_endpoint()}; check the network ({_one_line(error)})") from None
    finally:
        logger.setLevel(level)
        if bars:
            enable_progress_bars()


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
