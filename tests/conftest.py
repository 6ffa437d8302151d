"""Worlds that several tests share, and how a command that must fail is run."""

from dataclasses import replace

import pytest

from psm.world.grammar import World
from psm.world.worlds import MAIN, get_world


@pytest.fixture(scope="session")
def main_world():
    return World(get_world("main"), seed=0)


@pytest.fixture(scope="session")
def independent_world():
    return World(get_world("independent"), seed=0)


@pytest.fixture(scope="session")
def small_world():
    """Makes worlds of four traits and four domains: small enough to enumerate every hidden cause."""
    keep = ("benevolence", "competence", "language", "loyalty")
    at = [i for i, t in enumerate(MAIN.traits) if t.name in keep]

    def make(**changes):
        spec = replace(
            MAIN,
            name="small",
            traits=tuple(MAIN.traits[i] for i in at),
            archetypes=tuple(replace(a, values=tuple(a.values[i] for i in at)) for a in MAIN.archetypes),
            domains=tuple(d for d in MAIN.domains if d.name in ("code", "power", "humans", "repair")),
            cues=tuple(replace(c, turns=tuple(t for t in c.turns if t in keep)) for c in MAIN.cues),
            declared=(),
            **changes,
        )
        return World(spec, seed=0)

    return make


@pytest.fixture
def failing(capsys):
    """Runs a command that must fail with exit code 2, and gives the one line that it ends with; progress may stand before it."""
    from psm.cli import main

    def run(*arguments: str) -> str:
        capsys.readouterr()
        try:
            code = main(list(arguments))
        except SystemExit as stop:
            code = stop.code
        error = capsys.readouterr().err
        told = [line for line in error.splitlines() if line.startswith("psm: ")]
        assert code == 2 and told == error.splitlines()[-1:] and "usage:" not in error and "Traceback" not in error, error
        return told[0]

    return run
