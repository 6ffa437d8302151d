"""Small registries and measurements for the tests of this floor."""

import copy
import os
import subprocess

import pandas as pd
import pytest
import yaml

from psm.evidence.registry import load_registry

PRIMARY = {
    "id": "Z1.spread", "claim": "Z1", "chapter": "z1", "kind": "primary", "substrate": "world",
    "estimand": "shift of held-out answers", "unit": "log-odds",
    "select": {"quantity": "shift", "world": "main", "arm": "bad", "reference": "good"},
    "null_world": {"world": "independent"}, "direction": "greater", "smallest_effect": 0.5,
    "smallest_effect_source": "a quarter of the exact shift", "rival": {"name": "narrow learning", "predicts": 0.0},
    "controls": ["Z1.control.twin"], "manipulation": "Z1.trained", "informed_by": "nothing",
}
CONTROL = {
    "id": "Z1.control.twin", "claim": "Z1", "chapter": "z1", "kind": "control", "substrate": "world",
    "estimand": "shift of the twin", "unit": "log-odds",
    "select": {"quantity": "shift", "world": "main", "arm": "twin"}, "bound": [-0.3, 0.3],
}
MANIPULATION = {
    "id": "Z1.trained", "claim": "Z1", "chapter": "z1", "kind": "manipulation", "substrate": "world",
    "estimand": "shift of the trained answers", "unit": "log-odds",
    "select": {"quantity": "trained", "world": "main", "arm": "bad"}, "bound": [1.0, None],
}


@pytest.fixture
def entries():
    """A primary test with its control and its manipulation check, free to change."""
    return [copy.deepcopy(entry) for entry in (PRIMARY, CONTROL, MANIPULATION)]


@pytest.fixture
def secondary():
    """Makes a secondary entry with an id and an arm of its own."""
    def make(name, arm, **changes):
        entry = {key: value for key, value in copy.deepcopy(PRIMARY).items() if key not in ("null_world", "controls", "manipulation")}
        return entry | {"id": name, "kind": "secondary", "select": {"quantity": "shift", "world": "main", "arm": arm}} | changes
    return make


@pytest.fixture
def save(tmp_path):
    """Writes entries as claims.yml and returns its path."""
    def write(entries):
        path = tmp_path / "claims.yml"
        path.write_text(yaml.safe_dump({"tests": entries}, sort_keys=False))
        return path
    return write


@pytest.fixture
def registry(save):
    """Reads entries as a registry."""
    return lambda entries: load_registry(save(entries))


@pytest.fixture
def table():
    """Measurements from {(quantity, world, arm): values per seed}."""
    def make(cells):
        rows = [
            {"quantity": quantity, "substrate": "world", "world": world, "seed": seed, "arm": arm, "item": "", "value": value, "valid_mass": 0.98}
            for (quantity, world, arm), values in cells.items() for seed, value in enumerate(values)
        ]
        return pd.DataFrame(rows)
    return make


@pytest.fixture
def git(tmp_path):
    """Runs git in the test's folder, with a date of choice for commits."""
    def run(*words, date="2026-01-01T00:00:00+00:00", cwd=tmp_path):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")} | {
            "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull,
        }
        name = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
        done = subprocess.run(["git", *name, *words], cwd=cwd, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()
    return run
