"""The README tells the truth: its commands, options, scales, chapters and paths exist."""

from __future__ import annotations

import re
import shlex
import sys
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest

from psm.scale import SCALES

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def without_ledger(text: str) -> str:
    """The README's text outside the generated part."""
    return re.sub(r"<!-- ledger:begin -->.*?<!-- ledger:end -->", "", text, flags=re.S)


def commands(text: str, program: str) -> list[list[str]]:
    """Words after `program` in every code block line and inline code that begins with it, comments dropped."""
    blocks = [line for block in re.findall(r"^```\n(.*?)^```", text, re.M | re.S) for line in block.splitlines()]
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```\n.*?^```", "", text, flags=re.M | re.S))
    lines = [shlex.split(line, comments=True) for line in blocks + inline if line.startswith(f"{program} ")]
    return [words[1:] for words in lines]


MAKE = [words for words in commands(README, "make")]
PSM = [words for words in commands(README, "psm")]


@lru_cache
def help_of(*words: str) -> str:
    """What `psm WORDS --help` prints."""
    done = subprocess.run([sys.executable, "-m", "psm", *words, "--help"], cwd=ROOT, capture_output=True, text=True,
                          env={"PYTHONPATH": str(ROOT / "src"), "PATH": "", "COLUMNS": "200"})
    assert done.returncode == 0, f"psm {' '.join(words)}: {done.stderr}"
    return done.stdout


def test_the_readme_names_commands():
    assert ["book"] in MAKE and ["test"] in MAKE
    assert len(PSM) >= 5


@pytest.mark.parametrize("words", MAKE, ids=" ".join)
def test_make_commands_exist(words):
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    variables = set(re.findall(r"^([A-Z]+) \?=", makefile, re.M))
    for word in words:
        if "=" in word:
            name, value = word.split("=", 1)
            assert name in variables
            assert name != "SCALE" or value in SCALES
        else:
            assert word in targets


@pytest.mark.parametrize("words", PSM, ids=" ".join)
def test_psm_commands_and_options_exist(words):
    plain = [word for word in words if not word.startswith("-")]
    if len(plain) > 1 and plain[0] == "models":
        help_of(*plain[:2])
    page = help_of(plain[0])
    for option in (word for word in words if word.startswith("-")):
        assert option in page
    if "--scale" in words:
        assert words[words.index("--scale") + 1] in SCALES
    if plain[0] == "run" and len(plain) > 1:
        assert list((ROOT / "chapters").rglob(f"{plain[1]}.md")), f"no chapter is called {plain[1]}"


def test_every_target_explains_itself():
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.M).group(1).split())
    assert phony == set(re.findall(r"^([a-z-]+):.*## \w", makefile, re.M))


def test_the_ledger_has_one_place():
    assert README.count("<!-- ledger:begin -->") == README.count("<!-- ledger:end -->") == 1
    assert README.index("<!-- ledger:begin -->") < README.index("<!-- ledger:end -->")


def test_every_floor_of_the_package_is_in_the_house():
    house = README.split("## The house")[1].split("```")[1]
    floors = {p.name for p in (ROOT / "src/psm").iterdir() if p.is_dir() and any(p.glob("*.py"))}
    named = set(re.findall(r"^  (\w+)/", house, re.M))
    assert named == floors


def test_paths_in_the_house_exist():
    house = README.split("## The house")[1].split("```")[1]
    for entry in re.findall(r"^(\S.*?)  ", house, re.M):
        for path in entry.split(", "):
            if path != "evidence/":     # written by the first edition
                assert (ROOT / path).exists(), path


def test_files_named_in_the_text_exist():
    named = set(re.findall(r"`([\w.-]+\.(?:yml|toml|txt|cff|md))`|`(LICENSE)`", without_ledger(README)))
    assert {name for pair in named for name in pair if name} >= {"claims.yml", "constraints.txt", "CITATION.cff", "LICENSE"}
    for name in (name for pair in named for name in pair if name):
        assert (ROOT / name).is_file(), name
