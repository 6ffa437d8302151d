"""A chapter counts as done only when it is: every way of failing is one clear message and leaves nothing that looks finished."""

import json
import os
import subprocess
import sys
import time

import nbformat
import psutil
import pytest

from psm.book import execute, keys
from psm.book.execute import execute_chapter
from psm.book.notebooks import parse_parameters
from psm.errors import RunError, UsageError
from psm.files import write_json
from psm.training import recipe

FAILURES = {
    "error": (["x = 1", "y = x / 0"], r"code cell 3 \(error.md line \d+, 'y = x / 0'\): ZeroDivisionError: division by zero"),
    "time_out": (["import time\ntime.sleep(60)"], r"code cell 2 \(time_out.md line \d+, 'import time'\): time-out after 1 s"),
    "killed": (["import os\nos.kill(os.getpid(), 9)"], r"code cell 2 \(.*'import os'\): the kernel died \(out of memory, or killed\)"),
    "exit_0": (["import sys\nsys.exit(0)", "1 + 1"], r"code cell 2 \(.*\): the chapter called sys.exit\(0\)"),
    "exit_3": (["import sys\nsys.exit(3)"], r"code cell 2 \(.*\): the chapter called sys.exit\(3\)"),
    "hard_exit": (["import os\nos._exit(0)"], r"code cell 2 \(.*\): the kernel died"),
}


def left_over(project):
    """Everything below the runs and temporary folders."""
    return [path for path in (project.home / "runs").rglob("*") if path.is_file() or path.name.startswith(".making")]


@pytest.mark.parametrize("name", FAILURES)
def test_a_chapter_that_fails_says_how_in_one_line_and_leaves_no_run(project, name):
    cells, said = FAILURES[name]
    project.chapter(name, *cells, front="claims: []\ntimeout_s: 1" if name == "time_out" else "claims: []")
    with pytest.raises(RunError, match=rf"^chapter {name} failed in {said}") as raised:
        execute_chapter(project.plan(), name)
    assert "\n" not in str(raised.value)
    assert left_over(project) == []
    partial = project.home / "failed" / "smoke" / name / "executed.ipynb"
    assert f".psm/failed/smoke/{name}/executed.ipynb" in str(raised.value)
    assert cells[0] in [cell.source for cell in nbformat.read(partial, as_version=4).cells]


def test_an_exit_in_the_last_cell_is_not_a_success(project):
    project.chapter("last", "import sys\nsys.exit()")
    with pytest.raises(RunError, match=r"the chapter called sys.exit"):
        execute_chapter(project.plan(), "last")


@pytest.mark.parametrize(("parameters", "said"), [
    (None, "no cell tagged 'parameters'"),
    ('scale = "smoke"', "has no parameter 'seeds'"),
    ('scale = "smoke"\nseeds = 0', r"parameter 'seeds' must be a whole number like its default 0, not \[0\]"),
    ('scale = 1\nseeds = [0]', "parameter 'scale' must be a whole number like its default 1, not 'smoke'"),
])
def test_parameters_that_do_not_fit_stop_the_chapter_before_anything_runs(project, parameters, said):
    project.chapter("misfit", "open('ran', 'w')", parameters=parameters)
    with pytest.raises(UsageError, match=said):
        execute_chapter(project.plan(), "misfit")
    assert not (project.root / "ran").exists() and left_over(project) == []


@pytest.mark.parametrize(("assignment", "value"), [
    ("n=-4", -4), ("x=2e3", 2000.0), ("x=5", 5.0), ("word=0012345", "0012345"), ("flag=true", True), ("many=3,1,2", [3, 1, 2]),
])
def test_parameters_are_read_as_their_defaults_type(project, assignment, value):
    project.chapter("typed", "1", parameters='n = 1\nx = 0.5\nword = "a"\nflag = False\nmany = [1]')
    chapter = project_chapter("typed")
    read = parse_parameters(chapter, [assignment])[assignment.partition("=")[0]]
    assert read == value and type(read) is type(value)


@pytest.mark.parametrize("assignment", ["n=4.0", "n=0012345", "n=1e3", "n=", "x=12e4567", "x=nan", "x=inf", f"n={'9' * 5000}", f"many={'9' * 5000}", "flag=1", "many=1,a", "many=",
                                        "new=1", "n", "=3", "scale=laptop"])
def test_parameters_that_would_have_to_be_guessed_are_refused(project, assignment):
    project.chapter("typed", "1", parameters='scale = "smoke"\nn = 1\nx = 0.5\nword = "a"\nflag = False\nmany = [1]')
    with pytest.raises(UsageError):
        parse_parameters(project_chapter("typed"), [assignment])


def project_chapter(name):
    from psm.book.chapters import get_chapter

    return get_chapter(name)


def test_a_finished_run_holds_its_parameters_its_setting_and_its_record(project, finish):
    look = "import os, json\nprint(json.dumps([scale, seeds, k, os.getcwd(), {n: os.environ[n] for n in " \
           "('PSM_STORE', 'PSM_PROJECT', 'OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'PYTHONHASHSEED')}]))"
    project.chapter("whole", look, "1 + 1", finish.replace("NAME", "whole"), front="claims: [T1]")
    plan = project.plan(seeds=(4, 5), parameters={"k": 8})
    folder = execute_chapter(plan, "whole")
    assert folder == plan.chapter("whole").folder
    assert sorted(path.name for path in folder.iterdir()) == ["executed.ipynb", "measurements.csv", "record.json", "values.json"]
    notebook = nbformat.read(folder / "executed.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    scale, seeds, k, where, setting = json.loads(code[2].outputs[0].text)
    assert (scale, seeds, k, where) == ("smoke", [4, 5], 8, str(project.root))
    assert setting == {"PSM_STORE": "readonly", "PSM_PROJECT": str(project.root), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
                       "PYTHONHASHSEED": "0"}
    assert [cell.metadata.get("tags") for cell in code] == [["parameters"], ["injected-parameters", "hide-cell"], None, None, None]
    assert code[-1].source.endswith("run.finish()"), "the executor's own last cell is taken out"
    record = json.loads((folder / "record.json").read_text())
    assert {"chapter": "whole", "key": plan.chapter("whole").key, "scale": "smoke", "seeds": [4, 5], "threads": 1, "exit": "ok", "cells": 4,
            "base_models": []}.items() <= record.items()
    assert record["parameters"] == {"scale": "smoke", "seeds": [4, 5], "k": 8}
    assert record["started_at"] <= record["finished_at"] and record["seconds"] > 0 and record["peak_memory_mb"] > 10
    assert {"python", "torch", "papermill"} <= set(record["versions"]) and {"cpu", "cores"} <= set(record["hardware"])
    assert "PSM_STORE" not in os.environ, "the caller's environment is put back"


def test_two_executions_leave_the_same_notebook_and_a_failing_one_leaves_the_earlier_run_alone(project):
    project.chapter("twice", "import pathlib\nassert not pathlib.Path('broken').exists()\nprint(k)")
    plan = project.plan()
    folder = execute_chapter(plan, "twice")
    first = (folder / "executed.ipynb").read_bytes()
    assert b"papermill" not in first and b"iopub" not in first and str(project.root).encode() not in first
    began = json.loads((folder / "record.json").read_text())["started_at"]
    execute_chapter(plan, "twice")
    assert json.loads((folder / "record.json").read_text())["started_at"] == began, "a valid run is not executed again"
    execute_chapter(plan, "twice", again=True)
    assert (folder / "executed.ipynb").read_bytes() == first
    before = project.contents(".psm/runs")
    project.write("broken", "")
    with pytest.raises(RunError, match="AssertionError"):
        execute_chapter(plan, "twice", again=True)
    assert project.contents(".psm/runs") == before


def test_a_chapter_with_claims_must_leave_its_measurements(project):
    project.chapter("silent", "1 + 1", front="claims: [T1]")
    with pytest.raises(RunError, match="chapter silent wrote no measurements.csv: its last line must be run.finish()"):
        execute_chapter(project.plan(), "silent")
    wrong = "import os, pathlib\nfolder = pathlib.Path(os.environ['PSM_RUN_DIR'])\n(folder / 'values.json').write_text('{}')\n" \
            "(folder / 'measurements.csv').write_text('a,b\\n')"
    project.chapter("wrong", wrong, front="claims: [T1]")
    with pytest.raises(RunError, match="measurements.csv with columns a, b"):
        execute_chapter(project.plan(), "wrong")
    loose = wrong.replace("{}", '{"x": {"value": 1, "tolerance": "some"}}').replace("a,b", ",".join(execute.COLUMNS))
    project.chapter("loose", loose, front="claims: [T1]")
    with pytest.raises(RunError, match="chapter loose wrote a values.json that cannot be read: .*the tolerance of x is 'some'"):
        execute_chapter(project.plan(), "loose")
    assert left_over(project) == []


def test_a_chapter_edited_while_it_runs_does_not_count(project):
    project.chapter("moving", "import pathlib\npage = pathlib.Path('chapters/moving.md')\npage.write_text(page.read_text() + 'more')")
    with pytest.raises(RunError, match="chapter moving was edited while it ran: run it again"):
        execute_chapter(project.plan(), "moving")
    assert left_over(project) == []


def test_base_models_must_exist_and_are_named_in_the_record(project):
    project.chapter("reader", "1 + 1", front="worlds: [main]")
    plan = project.plan()
    (model,) = plan.chapter("reader").base_models
    with pytest.raises(UsageError, match="chapter reader needs base model main seed 0"):
        execute_chapter(plan, "reader")
    write_json(model.path, "weights")
    record = json.loads((execute_chapter(plan, "reader") / "record.json").read_text())
    assert [entry["id"] for entry in record["base_models"]] == [f"main-s0-{model.key}"]


def test_a_base_model_that_the_chapter_does_not_declare_fails_it_in_one_line(project):
    """Even one that stands in the store, trained for another chapter: the key and the record do not name it."""
    project.chapter("owner", "import os\nprint(os.environ['PSM_DECLARED'])", front="worlds: [main, independent]")
    project.chapter("thief", "from psm.training import store\nstore.load('main', 0, 'smoke')", front="worlds: [independent]")
    project.chapter("beggar", "from psm.training import store\nstore.load('main', 0, 'smoke')")
    plan = project.plan()
    for model in plan.base_models:
        write_json(model.path, "weights")
    notebook = nbformat.read(execute_chapter(plan, "owner") / "executed.ipynb", as_version=4)
    (told,) = [output.text.strip() for cell in notebook.cells for output in cell.get("outputs", [])]
    assert told.split(os.pathsep) == [model.path.parent.name for model in plan.chapter("owner").base_models] and len(plan.base_models) == 2
    for name in ("thief", "beggar"):
        with pytest.raises(RunError, match=f"^chapter {name} failed in code cell 2 .*UsageError: base model main, seed 0 is not declared") as raised:
            execute_chapter(plan, name)
        assert "\n" not in str(raised.value) and not plan.chapter(name).folder.exists()


def test_a_real_model_fetched_while_the_chapter_runs_is_noticed(project, monkeypatch):
    project.chapter("real", "open('ran', 'w')", front="real_models: [smollm2]")
    monkeypatch.setattr(keys, "_real_model_digest", lambda name: "fetched" if (project.root / "ran").exists() else None)
    plan = project.plan()
    with pytest.raises(RunError, match="^chapter real began with other libraries or real models than it ended with: run it again"):
        execute_chapter(plan, "real")
    assert left_over(project) == []


def test_the_key_names_every_library_that_computes_and_the_threads_of_training_are_the_kernels(project, monkeypatch):
    project.chapter("one", "1")
    key = project.plan().chapter("one").key
    known = keys.versions()
    assert {"torch", "transformers", "numpy", "scipy", "pandas"} <= set(known)
    for name in known:
        monkeypatch.setattr(keys, "_version", lambda asked, changed=name: "0" if asked == changed else known[asked])
        assert project.plan().chapter("one").key != key
    assert execute.THREADS is recipe.THREADS


def test_two_processes_that_ask_for_one_chapter_execute_it_once(project):
    project.chapter("shared", "import time\nopen('count', 'a').write('x')\ntime.sleep(1)")
    key = project.plan().chapter("shared").key
    jobs = [project.start("job", "chapter", "shared", "--key", key, "--scale", "smoke") for _ in range(2)]
    errors = [job.communicate(timeout=60)[1] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], errors
    assert (project.root / "count").read_text() == "x"
    assert any("waiting for another process" in error for error in errors)


def test_stopping_ends_the_kernel_and_what_it_started_and_leaves_nothing_half_made(project):
    started = "import os, subprocess, time\nchild = subprocess.Popen(['sleep', '60'])\n" \
              "open('pids.tmp', 'w').write(f'{os.getpid()} {child.pid}')\nos.rename('pids.tmp', 'pids')\ntime.sleep(60)"
    project.chapter("endless", started)
    process = project.start("run", "endless")
    wait_for(project.root / "pids")
    time.sleep(0.5)   # the executor's watch looks several times a second
    process.terminate()
    error = process.communicate(timeout=30)[1]
    assert process.returncode == 130 and "psm: stopped" in error and "Traceback" not in error
    assert left_over(project) == [] and not (project.home / "failed").exists()
    assert not any(alive(int(pid)) for pid in (project.root / "pids").read_text().split())


def test_a_run_that_was_killed_blocks_nothing(project):
    project.chapter("slow", "import pathlib, time\nfirst = not pathlib.Path('pids').exists()\npathlib.Path('pids').write_text('here')\n"
                            "time.sleep(60 if first else 0)")
    process = project.start("run", "slow")
    wait_for(project.root / "pids")
    process.kill()
    process.communicate()
    folder = execute_chapter(project.plan(), "slow")
    assert (folder / "record.json").exists()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name], "the dead run's folder is cleared away"


def test_a_kernel_of_another_python_is_found_out(project):
    kernel = project.root / "kernels" / "kernels" / "python3"
    other = "import sys; sys.prefix = '/elsewhere'; from ipykernel import kernelapp; kernelapp.launch_new_instance()"
    write_json(kernel / "kernel.json", {"argv": [sys.executable, "-c", other, "-f", "{connection_file}"], "display_name": "other",
                                        "language": "python"})
    project.chapter("foreign", "1 + 1")
    code = "from psm.book.execute import execute_chapter; from psm.book.plan import make_plan; execute_chapter(make_plan('smoke'), 'foreign')"
    done = subprocess.run([sys.executable, "-c", code], env={**project.environment, "JUPYTER_PATH": str(project.root / "kernels")},
                          capture_output=True, text=True, timeout=60)
    assert "ran in another Python than psm" in done.stderr and done.returncode == 1
    assert left_over(project) == []


def wait_for(path, seconds=30):
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} never came"
        time.sleep(0.05)


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
