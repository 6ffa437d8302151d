"""When a registry entry was committed: one walk through the history of claims.yml."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import yaml

from psm.files import content_key

FILE = "claims.yml"
FIRST_ENTRY = re.compile(rb"^( *)- ", re.MULTILINE)


class Registration(NamedTuple):
    """The commit since which an entry stands as it stands, and its committer date (ISO, UTC)."""

    commit: str
    committed_at: str | None


UNCOMMITTED = Registration("uncommitted", None)
UNKNOWN = Registration("unknown", None)


def registrations(hashes: Mapping[str, str], root: Path) -> dict[str, Registration]:
    """For each entry id with its present hash: the earliest commit since which it has had that hash.

    The walk goes from the newest commit backwards along the main line (first parents) and stops for an entry
    at the first version in which it is missing or different. In a shallow clone the oldest commit that is there
    stands for the earlier ones, which can make an entry look younger than it is, never older.
    """
    commits = _git(root, "-c", "log.showSignature=false", "log", "--first-parent", "--format=%H %ct", "--", FILE)
    if commits is None:
        inside = _git(root, "rev-parse", "--is-inside-work-tree")
        return dict.fromkeys(hashes, UNCOMMITTED if inside is not None else UNKNOWN)
    found: dict[str, Registration] = {}
    standing = set(hashes)
    versions = [line.split() for line in commits.decode().splitlines()]
    for (commit, date), text in zip(versions, _versions(root, [commit for commit, _ in versions])):
        then = _entry_hashes(text)
        standing = {name for name in standing if then.get(name) == hashes[name]}
        if not standing:
            break
        found.update(dict.fromkeys(standing, Registration(commit, _iso(date))))
    return {name: found.get(name, UNCOMMITTED) for name in hashes}


def _iso(seconds: str) -> str:
    return datetime.fromtimestamp(int(seconds), timezone.utc).isoformat(timespec="seconds")


def _git(root: Path, *words: str, given: bytes = b"") -> bytes | None:
    """What git says about the repository around `root`, None where there is no git, no repository or no commit."""
    environment = {k: v for k, v in os.environ.items() if k not in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")}
    try:
        done = subprocess.run(["git", "-C", str(root), *words], input=given, capture_output=True, env=environment)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def _versions(root: Path, commits: list[str]) -> list[bytes]:
    """The file's content at each commit, read by one git process; empty where the commit has no such file."""
    names = "".join(f"{commit}:./{FILE}\n" for commit in commits)
    rest = _git(root, "cat-file", "--batch", given=names.encode()) or b""
    texts = []
    for _ in commits:
        head, _, rest = rest.partition(b"\n")
        words = head.split()
        size = int(words[2]) if len(words) == 3 and words[1] == b"blob" else None
        texts.append(rest[:size] if size is not None else b"")
        rest = rest[size + 1:] if size is not None else rest
    return texts


def _entry_hashes(text: bytes) -> dict[str, str]:
    """Hash of every entry of one version of the file; what cannot be read has none.

    The dashes of a YAML block list stand in one column, so its entries can be cut apart as text; each wording of an
    entry is then parsed once and not again for every commit.
    """
    first = FIRST_ENTRY.search(text)
    if first is None:
        return {}
    blocks = re.split(rb"^(?=" + first[1] + rb"- )", text, flags=re.MULTILINE)[1:]
    return dict(pair for pair in map(_entry_hash, blocks) if pair is not None)


@lru_cache(maxsize=4096)
def _entry_hash(block: bytes) -> tuple[str, str] | None:
    """Id and hash of one entry, given as a list of one."""
    try:
        (entry,) = yaml.load(block, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return entry["id"], content_key(entry)
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        return None
