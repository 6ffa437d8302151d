"""`psm run CHAPTER --model X`: any causal model, checked before anything runs, judged afterwards, never published."""

from __future__ import annotations

import json
import re

import nbformat
import pandas as pd
import pytest
import torch

from psm.book import execute, keys, own_models, provenance
from psm.book.chapters import get_chapter
from psm.cli import main
from psm.evidence import ledger
from psm.evidence.history import Registration
from psm.evidence.own_model import own_rows
from psm.evidence.registry import load_registry
from psm.evidence.shapes import read_ledger, read_record
from psm.files import write_json
from psm.real import sources

PARAMETERS = 'scale = "smoke"\nseeds = [0]\nmodel = "smollm2"\nbase = ""\nchat = ""'
MEASURE = """from psm import lab
from psm.real.items import load_items
from psm.real.margins import Cell, margins, speaker_margins

run = lab.start("alpha", scale=scale, seeds=seeds)
for role, spec in (("model", model), ("base", base), ("chat", chat)):
    real = run.real_model(spec)
    if real is not None:
        cells = [Cell(i.id, "asked", (("user", i.final.q),), i.final.a, i.final.b) for i in load_items()[:3]]
        frame = margins(real, cells)
        run.measure(frame.assign(value=frame["margin_per_token"]), quantity=f"margin of {role}", substrate="real", world=real.name)
run.value("who", real.name if real else "nobody")
run.finish()"""
REGISTRY = """tests:
  - {id: T1.real, claim: T1, chapter: alpha, kind: primary, substrate: real, estimand: a margin, unit: nats per token,
     select: {quantity: margin of model, model: smollm2, arm: asked}, direction: greater, smallest_effect: 0.05,
     smallest_effect_source: made up, controls: [T1.control], informed_by: nothing}
  - {id: T1.control, claim: T1, chapter: alpha, kind: control, substrate: real, estimand: a margin, unit: nats per token,
     select: {quantity: margin of model, model: smollm2, arm: asked}, bound: [-100, 100]}
"""


@pytest.fixture(scope="module")
def shelf(tmp_path_factory, random_model):
    """Folders of random models: gpt2 (base), qwen2 (chat) and opt (base)."""
    folder = tmp_path_factory.mktemp("models")
    random_model(folder / "my-gpt2", "gpt2")
    random_model(folder / "my-qwen2", "qwen2", chat=True)
    random_model(folder / "my-opt", "opt")
    return folder


@pytest.fixture
def alpha(project):
    """A project with one chapter that measures real models, with a registry of its own."""
    project.write("claims.yml", REGISTRY)
    project.chapter("alpha", MEASURE, front="claims: [T1]\nreal_models: [smollm2]", parameters=PARAMETERS)
    with open(project.root / "chapters" / "alpha.md", "a") as stream:
        stream.write("\nAsked: {glue:text}`who`.\n")
    project.chapter("plain", "1")
    return project


@pytest.mark.parametrize(("arguments", "said"), [
    (["run", "plain", "--model", "smollm2"], "chapter plain does not take --model: chapters that take it are alpha"),
    (["run", "plain", "--base", "smollm2"], "chapter plain does not take --base"),
    (["run", "alpha", "--model", "smollm2", "-p", "model=smollm2"], "--model and -p model=... name the same thing"),
    (["run", "alpha", "--model", "./nowhere"], "nowhere"),
    (["run", "alpha", "-p", "model=./nowhere"], "nowhere"),
    (["run", "alpha", "--model", "no such model"], "no such model"),
])
def test_a_model_that_cannot_be_used_is_one_line_before_anything_runs(alpha, failing, arguments, said):
    error = failing(*arguments)
    assert said in error
    assert not (alpha.home / "runs").exists()


def test_a_folder_without_weights_is_one_line(alpha, failing, tmp_path):
    (tmp_path / "empty").mkdir()
    error = failing("run", "alpha", "--model", str(tmp_path / "empty"))
    assert "empty" in error and not (alpha.home / "runs").exists()


@pytest.mark.parametrize(("file", "content", "said"), [
    ("config.json", '{"model_type": "unheard_of", "architectures": ["UnheardForCausalLM"]}', "unheard_of"),
    ("config.json", '{"model_type": "t5"}', "of type 't5', which transformers does not know as a causal one"),
    ("tokenizer.json", "{}", "does not open as a language model with its tokenizer"),
])
def test_what_transformers_does_not_open_is_one_line_before_anything_runs(alpha, failing, tmp_path, random_model, file, content, said):
    folder = random_model(tmp_path / "odd", "llama")
    (folder / file).write_text(content)
    assert re.search(said, failing("run", "alpha", "--model", str(folder)))
    assert not (alpha.home / "runs").exists()


@pytest.mark.parametrize(("options", "said"), [
    (["--scale", "tiny"], "unknown scale 'tiny'"), (["--seeds", "1,1"], "a seed stands in it twice"),
])
def test_a_command_that_cannot_run_fetches_nothing(alpha, failing, monkeypatch, options, said):
    monkeypatch.setattr(own_models, "at_hand", lambda *_: pytest.fail("a model was asked for"))
    assert said in failing("run", "alpha", "--model", "owner/name", *options)


def test_a_chat_model_needs_a_template(alpha, failing, shelf):
    error = failing("run", "alpha", "--chat", str(shelf / "my-gpt2"))
    assert "template" in error and not (alpha.home / "runs").exists()


def test_two_models_of_one_name_are_refused(alpha, failing, shelf, tmp_path, random_model):
    random_model(tmp_path / "my-gpt2", "gpt2", seed=1)
    error = failing("run", "alpha", "--model", str(shelf / "my-gpt2"), "--base", str(tmp_path / "my-gpt2"))
    assert "two models called 'my-gpt2'" in error


def test_a_device_that_is_unknown_or_absent_is_one_line(alpha, failing, shelf, monkeypatch):
    monkeypatch.setenv("PSM_DEVICE", "abacus")
    error = failing("run", "alpha", "--model", str(shelf / "my-gpt2"))
    assert "PSM_DEVICE is 'abacus'" in error
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("PSM_DEVICE", "cuda")
    error = failing("run", "alpha", "--model", str(shelf / "my-gpt2"))
    assert "torch finds no such device here" in error
    assert not (alpha.home / "runs").exists()


def test_a_chapters_key_knows_every_model_that_its_parameters_name(alpha, shelf, monkeypatch):
    chapter = get_chapter("alpha")
    plain = keys.chapter_key(chapter, chapter.parameters, [])
    digests = {"smollm2": "a", str(shelf / "my-opt"): "b"}
    monkeypatch.setattr(sources, "local_digest", digests.get)
    own = {**chapter.parameters, "base": str(shelf / "my-opt")}
    assert keys.real_model_specs(chapter, own) == sorted(["smollm2", str(shelf / "my-opt")])
    before = keys.chapter_key(chapter, own, [])
    digests[str(shelf / "my-opt")] = "other weights"
    assert len({plain, before, keys.chapter_key(chapter, own, [])}) == 3
    monkeypatch.setenv("PSM_DEVICE", "cuda")
    assert keys.chapter_key(chapter, own, []) != before


def test_a_base_model_runs_from_a_relative_path_and_is_judged_beside_its_measurements(alpha, shelf, capsys, monkeypatch):
    monkeypatch.chdir(shelf)
    kept = alpha.write("evidence/smoke/ledger.json", "[]")
    write_json(alpha.plan().ledger, [])
    assert main(["run", "alpha", "--model", "./my-gpt2"]) == 0
    shown = capsys.readouterr()
    assert "a base model: conversations are put to it as plain text" in shown.err
    assert "judged for my-gpt2 (not part of the published ledger)" in shown.out and "T1.real" in shown.out
    (path,) = alpha.records("alpha")
    record = read_record(path)
    (used,) = record["real_models"]
    assert f"model my-gpt2, revision {used['revision']} (base): the local folder {shelf / 'my-gpt2'}" in shown.err
    assert used["name"] == "my-gpt2" and used["kind"] == "base" and used["device"] == "cpu" and used["revision"]
    assert record["parameters"]["model"] == str(shelf / "my-gpt2")
    assert "my-gpt2" in provenance.box(record) and used["revision"] in provenance.box(record)
    rows = {row["test"]: row for row in read_ledger(path.parent)}
    assert rows["T1.real"]["world"] == "my-gpt2" and rows["T1.real"]["in_place_of"] == "smollm2" and rows["T1.real"]["n_units"] == 3
    assert rows["T1.real"]["verdict"] == "no verdict (smoke)"
    assert "my-gpt2" in (path.parent / "measurements.csv").read_text()
    page = nbformat.read(path.parent / "page.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in page.cells if cell.cell_type == "markdown")
    assert "Asked: nobody." in text and "T1.real" in text and used["revision"] in text
    assert kept.read_text() == "[]" and alpha.plan().ledger.exists(), "neither the edition nor the book's own verdicts are touched"
    assert not alpha.plan().chapter("alpha").record.exists(), "the book's own run of the chapter is another one"


def test_a_chat_and_a_base_model_of_other_shapes_run_together(alpha, shelf, capsys):
    assert main(["run", "alpha", "-p", "model=", "--base", str(shelf / "my-opt"), "--chat", str(shelf / "my-qwen2")]) == 0
    shown = capsys.readouterr()
    assert "a chat model, asked in its own template" in shown.err
    (path,) = alpha.records("alpha")
    assert {m["name"]: m["kind"] for m in json.loads(path.read_text())["real_models"]} == {"my-opt": "base", "my-qwen2": "chat"}
    (row, _) = read_ledger(path.parent)
    assert row["verdict"] == "not run"


def test_the_registrys_rule_judges_another_model_in_the_registered_ones_place(alpha, monkeypatch):
    registered = Registration("0" * 40, "2020-01-01T00:00:00+00:00")
    monkeypatch.setattr(ledger, "registrations", lambda tests, root: {test.id: registered for test in tests})
    registry = load_registry(alpha.root / "claims.yml")
    values = {"mine": 0.2, "smollm2": -0.2}
    frame = pd.DataFrame([
        {"quantity": "margin of model", "substrate": "real", "world": name, "seed": None, "arm": "asked", "item": str(i),
         "value": value + 0.001 * i, "valid_mass": None} for name, value in values.items() for i in range(40)])
    run = (frame, {"started_at": "2030-01-01T00:00:00+00:00", "scale": "laptop"})

    def verdict(places):
        row, control = own_rows(registry, "alpha", run, places, "laptop", alpha.root)
        said = "not run" if "gone" in places.values() else "holds"
        assert control["test"] == "T1.control" and control["verdict"] == row["control"][0]["status"] == said
        return row["world"], row["verdict"]

    assert verdict({"smollm2": "mine"}) == ("mine", "supported")
    assert verdict({}) == ("smollm2", "contradicted")
    assert verdict({"smollm2": "gone"}) == ("gone", "not run")
    assert own_rows(registry, "plain", run, {}, "laptop", alpha.root) == []


def test_a_cell_has_no_time_limit_where_somebody_put_in_a_model(alpha):
    own = alpha.plan(chapters=["alpha"], parameters={"model": "mine"})
    assert execute._timeout(own, own.chapter("alpha")) is None
    plain = alpha.plan()
    assert execute._timeout(plain, plain.chapter("alpha")) == plain.scale.cell_timeout_s
