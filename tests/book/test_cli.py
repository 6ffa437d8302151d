"""The command line: helpful, quick to start, and every mistake is one line and an exit code."""

import json
import subprocess
import sys

import nbformat
import pytest
from filelock import FileLock

from psm.book.labs import write_notebooks
from psm.cli import _fetch_declared, main
from psm.files import write_json
from psm.real import sources
from psm.scale import seeds_for


def test_help_names_every_command_and_hides_the_workflows_own(project):
    shown = project.psm("--help")
    assert shown.returncode == 0 and shown.stderr == ""
    for command in ("book", "run", "pages", "ledger", "compare", "edition", "models", "lab"):
        assert f"\n    {command} " in shown.stdout
    assert "job" not in shown.stdout and "examples:" in shown.stdout


def test_planning_needs_neither_torch_nor_papermill(project):
    project.chapter("alpha", "1", front="worlds: [main]")
    code = "import sys; from psm.book.plan import make_plan; make_plan('laptop'); " \
           "print([m for m in ('torch', 'transformers', 'papermill', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], env=project.environment, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(("arguments", "said"), [
    (["book", "--scale", "tiny"], "unknown scale 'tiny': choose one of smoke, laptop, full"),
    (["book", "gamma"], "unknown chapter 'gamma': known chapters are alpha"),
    (["book", "--seeds", "0,one"], "bad seed list '0,one'"),
    (["book", "--seeds", "0,0"], "a seed stands in it twice"),
    (["book", "--seeds", ""], "bad seed list ''"),
    (["book", "--seeds=-1"], "bad seed list '-1'"),
    (["book", "--seeds", "1234567890"], "bad seed list '1234567890'"),
    (["run", "alpha", "--seeds", f"0,{'9' * 5000}"], "of nine digits at most"),
    (["book", "--cores", "0"], "'0' is not a whole number from 1 up"),
    (["book", "alpha", "--until", "ledger"], "--until ledger needs every chapter"),
    (["run"], "the following arguments are required: CHAPTER"),
    (["run", "gamma"], "unknown chapter 'gamma'"),
    (["run", "alpha", "-p", "depth=3"], "chapter alpha has no parameter 'depth': its parameters cell sets scale, seeds, k"),
    (["run", "alpha", "-p", "k=many"], "parameter 'k' must be a whole number like its default 3, not 'many'"),
    (["run", "alpha", "-p", "k"], "bad parameter 'k': write name=value"),
    (["run", "alpha", "-p", "scale=full"], "set scale and seeds with --scale and --seeds"),
    (["run", "alpha", "--seeds", "1.5"], "bad seed list '1.5'"),
    (["pages", "--scale", "smoke"], "pages need chapter alpha, verdicts at smoke scale"),
    (["compare", "--scale", "smoke"], "no smoke edition has been published in evidence/smoke"),
    (["compare"], "no laptop edition has been published in evidence/laptop"),
    (["compare", "gamma"], "unknown chapter 'gamma'"),
    (["edition", "--scale", "smoke"], "scale smoke is no evidence"),
    (["models", "fetch", "gpt"], "unknown model 'gpt'"),
    (["lab", "--scale", "tiny"], "unknown scale 'tiny'"),
    (["bok"], "invalid choice: 'bok'"),
    ([], "required: COMMAND"),
])
def test_bad_input_is_one_line_and_exit_code_2(project, failing, arguments, said):
    project.chapter("alpha", "1")
    error = failing(*arguments)
    assert said in error


@pytest.mark.parametrize(("name", "content"), [
    ("claims.yml", "tests: [\n"), ("_toc.yml", "- {"), ("_toc.yml", "chapters: []\n"), ("claims.yml", b"\xff\xfe\x00"),
    ("chapters/alpha.md", b"\xff\xfe\x00"), ("chapters/alpha.md", "---\npsm: {}\n"),
])
def test_a_corrupt_file_is_named_before_anything_runs(project, failing, name, content):
    project.chapter("alpha", "open('ran', 'w')")
    (project.root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    error = failing("book", "--scale", "smoke")
    assert name in error
    assert not (project.root / "ran").exists() and not (project.home / "runs").exists()


def test_a_corrupt_ledger_is_named(project, failing):
    project.chapter("alpha", "1")
    plan = project.plan()
    project.write(str(plan.ledger.relative_to(project.root)), "[{")
    error = failing("ledger", "--scale", "smoke")
    assert "ledger.json is corrupt" in error


def test_outside_a_project_the_message_says_where_to_go(project, failing, monkeypatch, tmp_path):
    monkeypatch.setenv("PSM_PROJECT", str(tmp_path))
    error = failing("book")
    assert "claims.yml" in error


def test_the_ledger_prints_and_says_which_chapters_have_no_run(project, capsys):
    project.chapter("alpha", "1")
    assert main(["ledger", "--scale", "smoke"]) == 0
    shown = capsys.readouterr()
    assert shown.out.strip() and "no current run at smoke scale of alpha" in shown.err


def test_a_ledger_of_another_form_is_one_line(project, failing):
    project.chapter("alpha", "1")
    write_json(project.plan().ledger, [{"claim": "T1"}])
    error = failing("ledger", "--scale", "smoke")
    assert "row 1 lacks test" in error


def test_compare_asks_for_a_run_to_compare(project, failing):
    project.chapter("alpha", "1")
    write_json(project.root / "evidence" / "smoke" / "ledger.json", [])
    error = failing("compare", "--scale", "smoke")
    assert "no current run at smoke scale of chapter alpha" in error


@pytest.mark.parametrize("command", ["pages", "edition"])
def test_pages_and_editions_wait_for_no_run_that_is_in_progress(project, failing, command):
    project.chapter("alpha", "1")
    (project.home / "locks").mkdir(parents=True)
    with FileLock(project.home / "locks" / "book.lock"):
        error = failing(command, "--scale", "laptop")
    assert "another run of the book is in progress" in error


def test_whatever_goes_wrong_while_fetching_the_book_goes_on_without_the_model(project, capsys, monkeypatch):
    project.chapter("alpha", "1", front="real_models: [smollm2]")

    def fetch(name, report):
        raise ValueError("no route\nto the host")

    monkeypatch.setattr(sources, "local_digest", lambda name: None)
    monkeypatch.setattr(sources, "fetch", fetch)
    assert _fetch_declared(project.plan()) is False
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "smollm2 could not be fetched (ValueError: no route to the host)" in error


def test_compare_names_what_drifted_and_exits_1(project, capsys):
    project.chapter("alpha", "1", front="claims: [T1]")
    job = project.plan().chapter("alpha")
    write_json(job.record, {"scale": "smoke"})
    write_json(job.folder / "values.json", {"x": {"value": 1.0, "text": "1.00", "tolerance": 0.1}})
    published = project.root / "evidence" / "smoke"
    write_json(published / "ledger.json", [])
    write_json(published / "alpha" / "values.json", {"x": {"value": 1.05, "text": "1.05", "tolerance": 0.1}})
    assert main(["compare", "--scale", "smoke"]) == 0
    write_json(published / "alpha" / "values.json", {"x": {"value": 1.2, "text": "1.20", "tolerance": 0.1}})
    capsys.readouterr()
    assert main(["compare", "alpha", "--scale", "smoke"]) == 1
    assert "alpha: x: published 1.2, here 1 (tolerance 0.1)" in capsys.readouterr().out


def test_models_are_listed_with_what_it_takes_to_have_them(project, capsys):
    assert main(["models"]) == 0
    assert "smollm2" in capsys.readouterr().out


def test_a_failing_chapter_is_one_line_and_exit_code_1(project):
    project.chapter("alpha", "raise KeyError('lost')")
    result = project.psm("run", "alpha")
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert [line for line in result.stderr.splitlines() if line.startswith("psm: ")] == [result.stderr.splitlines()[-1]]
    assert "KeyError: 'lost'" in result.stderr


def test_lab_notebooks_hold_the_files_defaults_and_an_edited_one_stays(project):
    project.chapter("alpha", "print(k)")
    project.chapter("beta", "print(k)")
    folder = project.home / "lab"
    written, kept = write_notebooks(folder)
    assert [path.name for path in written] == ["alpha.ipynb", "beta.ipynb"] and kept == []
    notebook = nbformat.read(written[0], as_version=4)
    nbformat.validate(notebook)
    assert [cell.source for cell in notebook.cells if cell.cell_type == "code"] == ['scale = "smoke"\nseeds = [0]\nk = 3', "print(k)"]
    written[0].write_text(json.dumps(notebook).replace("print(k)", "print(k + 1)"))
    project.chapter("beta", "print(k * 2)")
    written, kept = write_notebooks(folder)
    assert ([path.name for path in written], [path.name for path in kept]) == (["beta.ipynb"], ["alpha.ipynb"])
    assert "print(k + 1)" in (folder / "alpha.ipynb").read_text() and "print(k * 2)" in (folder / "beta.ipynb").read_text()


def test_lab_notebooks_at_another_scale_set_it_in_a_cell_of_its_own(project):
    project.chapter("alpha", "print(k)")
    (path,), _ = write_notebooks(project.home / "lab", "laptop")
    code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    values = {}
    for source in code[:2]:
        exec(source, values)
    assert (values["scale"], values["seeds"], values["k"]) == ("laptop", list(seeds_for("laptop", "main")), 3)
