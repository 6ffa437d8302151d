"""The page on reproducing: its commands exist, with these options, chapters and targets."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from psm.book.chapters import discover
from psm.book.run import ENGINE_OPTIONS
from psm.cli import build_parser

BOOK = Path(__file__).resolve().parents[2]
PAGE = (BOOK / "chapters" / "reproduce.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.M | re.S)
LINES = [line for language, block in BLOCKS if not language for line in block.replace("\\\n", " ").splitlines()]
PSM = [line for line in LINES if line.startswith("psm ")]


def test_the_page_has_a_command_for_each_thing():
    assert {line.split()[1] for line in PSM} == {"run", "pages", "compare", "verify"}
    for option in ("--seeds", "-p ", "--model"):
        assert any(option in line for line in PSM), option


@pytest.mark.parametrize("line", PSM)
def test_each_command_is_one_that_the_command_line_takes(line):
    options = build_parser().parse_args(shlex.split(line)[1:])
    chapters = {chapter.name: chapter for chapter in discover(BOOK)}
    if options.command == "run":
        assert options.chapter in chapters
        assert {setting.partition("=")[0] for setting in options.parameters} <= set(chapters[options.chapter].parameters)
        assert options.model is None or "model" in chapters[options.chapter].parameters
    if options.command == "compare":
        assert set(options.chapters) <= set(chapters)


def test_a_command_that_is_none_is_found():
    with pytest.raises(SystemExit):
        build_parser().parse_args(["run", "p1", "--seed", "1", "--colour"])


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (BOOK / "Makefile").read_text(), re.M))
    named = set(re.findall(r"\bmake ([a-z-]+)", "\n".join([*LINES, *re.findall(r"`(make [^`]*)`", PAGE)])))
    assert named and named <= targets


def test_the_engine_gets_the_options_that_the_keys_rely_on():
    line = next(line for line in LINES if "snakemake --snakefile" in line)
    needed = set(ENGINE_OPTIONS) - {"--scheduler", "greedy", "--nocolor"}     # these two change nothing that is computed
    assert needed <= set(line.split()), f"Snakemake by hand lacks {sorted(needed - set(line.split()))}"


def test_the_table_that_it_reads_is_there():
    for path in re.findall(r'read_csv\("([^"]+)"\)', PAGE):
        assert len(pd.read_csv(BOOK / path))
