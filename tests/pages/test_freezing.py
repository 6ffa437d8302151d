"""Freezing an edition: refused unless everything agrees, and then a tag that vouches for the checksums."""

from __future__ import annotations

import hashlib
import subprocess

import pytest

from psm import cli
from psm.book import edition, freezing
from psm.book.edition import make_edition
from psm.errors import RunError, UsageError
from psm.files import write_whole

README = "# Toy\n\n<!-- ledger:begin -->\n<!-- ledger:end -->\n"


def git(root, *arguments):
    done = subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(root):
    git(root, "add", ".")
    git(root, "commit", "-qm", "toy")


@pytest.fixture
def published(toy, monkeypatch):
    """The made-up book at version 9.8.7, with its edition committed."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "toy")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "toy@example.org")
    for name, text in {"README.md": README, ".gitignore": ".psm/\n_build/\n", "pyproject.toml": '[project]\nversion = "9.8.7"\ndependencies = []\n',
                       "constraints.txt": "", "src/psm/__init__.py": '__version__ = "9.8.7"\n'}.items():
        write_whole(toy.root / name, text)
    git(toy.root, "init", "-q")
    commit(toy.root)
    monkeypatch.setattr(edition, "make_plan", toy.at_scale)
    make_edition("laptop")
    commit(toy.root)
    return toy


def test_the_tag_vouches_for_the_checksums(published):
    assert freezing.freeze("laptop") == "v9.8.7"
    assert git(published.root, "cat-file", "-t", "v9.8.7") == "tag"
    assert git(published.root, "rev-parse", "v9.8.7^{commit}") == git(published.root, "rev-parse", "HEAD")
    sums = (published.root / "evidence" / "laptop" / "SHA256SUMS").read_bytes()
    message = git(published.root, "tag", "--list", "--format=%(contents)", "v9.8.7")
    assert hashlib.sha256(sums).hexdigest() in message and message.startswith("Version 9.8.7, laptop edition of ")


def versions_part(root):
    write_whole(root / "src/psm/__init__.py", '__version__ = "9.8.8"\n')
    commit(root)


def damage(root):
    write_whole(root / "evidence" / "laptop" / "ledger.csv", "other\n")
    commit(root)


def uncommitted_edition(root):
    write_whole(root / ".gitignore", ".psm/\n_build/\nevidence/\n")
    git(root, "rm", "-rq", "--cached", "evidence")
    commit(root)


@pytest.mark.parametrize("spoil, message", [
    (lambda root: write_whole(root / "index.md", "# Changed\n"), "there are uncommitted changes"),
    (versions_part, r"the versions differ \(CITATION.cff: 9.8.7, pyproject.toml: 9.8.7, src/psm/__init__.py: 9.8.8\): make them one"),
    (damage, "ledger.csv was changed"),
    (lambda root: git(root, "tag", "v9.8.7"), "the tag v9.8.7 is there already"),
    (uncommitted_edition, "SHA256SUMS is not in the repository"),
])
def test_anything_amiss_is_refused_in_one_line_and_nothing_tagged(published, capsys, spoil, message):
    spoil(published.root)
    before = git(published.root, "tag", "--list")
    with pytest.raises(UsageError, match=message) as caught:
        freezing.freeze("laptop")
    assert "\n" not in str(caught.value) and git(published.root, "tag", "--list") == before
    assert cli.main(["freeze"]) == 2 and capsys.readouterr().err.count("\n") == 1


def test_a_missing_edition_is_refused(toy, capsys):
    assert cli.main(["freeze"]) == 2 and cli.main(["verify"]) == 2
    assert capsys.readouterr().err == "psm: no laptop edition has been published in evidence/laptop\n" * 2


def test_a_version_that_is_no_version_is_refused(published):
    for name, text in {"pyproject.toml": '[project]\nversion = "x y"\n', "src/psm/__init__.py": '__version__ = "x y"\n'}.items():
        write_whole(published.root / name, text)
    cff = (published.root / "CITATION.cff").read_text()
    write_whole(published.root / "CITATION.cff", cff.replace("9.8.7", "x y"))
    with pytest.raises(UsageError, match="'x y' is no version"):
        freezing.agreed_version(published.root)


def test_the_command_verifies(published, capsys):
    assert cli.main(["verify"]) == 0
    assert capsys.readouterr().out.startswith("evidence/laptop: all 15 files are as published on ")
    write_whole(published.root / "evidence" / "laptop" / "beta" / "record.json", "{}")
    assert cli.main(["verify"]) == 1
    assert "beta/record.json was changed" in capsys.readouterr().err


def test_the_reason_is_given_when_git_cannot_tag(published, monkeypatch):
    monkeypatch.setattr(freezing, "VERSION", freezing.re.compile(".*"))
    with pytest.raises(RunError, match="git could not make the tag v..: fatal: 'v..' is not a valid tag name"):
        freezing._tag(published.root, "v..", "message")
