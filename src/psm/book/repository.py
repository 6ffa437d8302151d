"""Where the book's repository can be reached, if that is known, and which of its states has which files."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

_GITHUB = re.compile(r"(?:https?://(?:[^/@]*@)?|ssh://git@|git@)github\.com[/:]([\w.-]+)/([\w.-]+?)(?:\.git)?/?")
NAME = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class State:
    """One state of a repository on GitHub: OWNER/NAME, a tag or commit, and the files of one of its folders."""

    name: str
    ref: str
    files: frozenset[str]


def git(root: Path, *arguments: str) -> str | None:
    """What a git command prints in the project, or None when it fails or git is not there."""
    try:
        result = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def github_name(address: str) -> str:
    """OWNER/NAME of an address on GitHub, in any of the forms that git takes; '' for another address."""
    match = _GITHUB.fullmatch(address.strip())
    return f"{match[1]}/{match[2]}" if match else ""


def address(root: Path) -> str:
    """Address of the repository: CITATION.cff's `repository-code`, else $GITHUB_REPOSITORY, else the remote `origin`; or ''.

    A remote counts only where it is on GitHub: anything else may be a path of somebody's machine.
    """
    stated = _stated(root)
    if stated:
        return f"https://github.com/{github_name(stated)}" if github_name(stated) else stated
    named = os.environ.get("GITHUB_REPOSITORY", "")
    name = named if NAME.fullmatch(named) else github_name(git(root, "remote", "get-url", "origin") or "")
    return f"https://github.com/{name}" if name else ""


def _stated(root: Path) -> str:
    """CITATION.cff's `repository-code`, or '' where the file does not say."""
    try:
        cff = yaml.safe_load((root / "CITATION.cff").read_text())
    except (OSError, yaml.YAMLError):
        return ""
    return str(cff.get("repository-code") or "").strip() if isinstance(cff, dict) else ""


def state(root: Path, folder: str) -> State | None:
    """The state of the GitHub repository that is checked out, by its tag where it has one, with its files in `folder`.

    None where the address is not known, is not on GitHub, or the project is no git repository.
    """
    name, commit = github_name(address(root)), git(root, "rev-parse", "HEAD")
    if not name or not commit:
        return None
    tags = [tag for tag in (git(root, "tag", "--points-at", "HEAD") or "").splitlines() if re.fullmatch(r"v\d[\w.]*", tag)]
    files = (git(root, "ls-tree", "-r", "--name-only", "HEAD", "--", folder) or "").splitlines()
    return State(name, tags[-1] if tags else commit, frozenset(files))
