"""Frozen editions: one annotated tag of git for each version, whose message vouches for the edition's checksums."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import yaml

from psm.book.edition import CHECKSUMS, MANIFEST, verify_edition
from psm.book.records import git_state
from psm.book.repository import git
from psm.errors import RunError, UsageError
from psm.files import project_root, read_json, sha256_file
from psm.scale import get_scale

VERSION = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?")


def edition_folder(scale: str) -> Path:
    """Folder of the published edition of a scale. Raises UsageError when there is none."""
    folder = project_root() / "evidence" / get_scale(scale).name
    if not (folder / MANIFEST).is_file():
        raise UsageError(f"no {scale} edition has been published in evidence/{scale}")
    return folder


def verify(scale: str) -> str:
    """Check the published edition of a scale, and say in a line what it is. RunError names what differs."""
    folder = edition_folder(scale)
    count = verify_edition(folder)
    manifest = read_json(folder / MANIFEST)
    return f"evidence/{scale}: all {count} files are as published on {manifest['made_at'][:10]} from commit {manifest['commit'][:10]}"


def agreed_version(root: Path) -> str:
    """The version that CITATION.cff, pyproject.toml and the package state. Raises UsageError when they differ."""
    try:
        stated = {
            "CITATION.cff": str((yaml.safe_load((root / "CITATION.cff").read_text()) or {}).get("version")),
            "pyproject.toml": str(tomllib.loads((root / "pyproject.toml").read_text()).get("project", {}).get("version")),
            "src/psm/__init__.py": (re.findall(r'^__version__ = "([^"]*)"', (root / "src/psm/__init__.py").read_text(), re.M) or ["none"])[0],
        }
    except FileNotFoundError as error:
        raise UsageError(f"{Path(error.filename).relative_to(root)} does not exist: it states the version to be frozen") from None
    except (yaml.YAMLError, tomllib.TOMLDecodeError, AttributeError) as error:
        raise UsageError(f"CITATION.cff or pyproject.toml cannot be read: {' '.join(str(error).split())}") from None
    if len(set(stated.values())) > 1:
        raise UsageError(f"the versions differ ({', '.join(f'{name}: {version}' for name, version in stated.items())}): make them one")
    version = stated["CITATION.cff"]
    if not VERSION.fullmatch(version):
        raise UsageError(f"'{version}' is no version: write numbers separated by dots, such as 1.0.0")
    return version


def freeze(scale: str) -> str:
    """Tag the state that is checked out as `v<version>`, and return the tag.

    Raises UsageError, before anything is tagged, for a tree with uncommitted changes, versions that differ, a tag that is
    there already, and an edition that is missing, damaged, without checksums or not committed.
    """
    root, folder = project_root(), edition_folder(scale)
    state = git_state(root)
    if not state["commit"]:
        raise UsageError(f"{root} is not a git repository with a commit: an edition is frozen by a tag")
    if state["dirty"]:
        raise UsageError("there are uncommitted changes (git status lists them): commit them, then freeze the edition")
    version = agreed_version(root)
    if git(root, "tag", "--list", f"v{version}"):
        raise UsageError(f"the tag v{version} is there already: an edition is frozen once; raise the version for another")
    try:
        verify_edition(folder)
    except RunError as error:
        raise UsageError(str(error)) from None
    sums = f"evidence/{scale}/{CHECKSUMS}"
    if not git(root, "ls-files", sums):
        raise UsageError(f"{sums} is not in the repository: make the edition again (make edition), then commit it")
    manifest = read_json(folder / MANIFEST)
    message = (f"Version {version}, {scale} edition of {manifest['made_at'][:10]} from commit {manifest['commit']}\n\n"
               f"SHA-256 of {sums}:\n{sha256_file(root / sums)}\n")
    _tag(root, f"v{version}", message)
    return f"v{version}"


def _tag(root: Path, name: str, message: str) -> None:
    done = subprocess.run(["git", "-C", str(root), "tag", "-a", name, "-F", "-"], input=message, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = next((line.strip() for line in done.stderr.splitlines() if line.strip()), "git gave no reason")
        raise RunError(f"git could not make the tag {name}: {reason}")
