"""The book as a whole: what re-runs after which edit, and what is left standing when chapters fail."""

import json
import subprocess
import sys

import pytest
from filelock import FileLock

from psm.book.plan import Step
from psm.book.progress import Follower, emit, events_path
from psm.files import read_json, write_json

PENDING = """import json, sys
from psm.book.plan import make_plan
print(json.dumps(sorted({step.label for step in make_plan("smoke").pending()})))"""
ALL = ["base model independent seed 0", "base model main seed 0", "chapter both", "chapter neither", "pages", "verdicts"]


def pending(project):
    """Labels of all that the next run would make, as another process sees it."""
    done = subprocess.run([sys.executable, "-c", PENDING], env=project.environment, cwd=project.root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, new_project, package, finish):
    """A project whose whole book was run once: stubbed base models, two chapters, verdicts and pages."""
    project = new_project(tmp_path_factory.mktemp("workflow") / "book", package)
    project.chapter("both", "1 + 1", finish.replace("NAME", "both"), front="claims: [T1]\nworlds: [main, independent]")
    project.chapter("neither", "2 + 2")
    project.first_run = project.psm("book", "--scale", "smoke", timeout=180)
    return project


@pytest.fixture
def undone(finished, package):
    """The finished project, whose sources are put back as they were afterwards, and whose verdicts and pages are made
    again where an earlier test left them to be made."""
    if pending(finished):
        assert finished.psm("book", "--scale", "smoke", timeout=180).returncode == 0
    kept = {path: path.read_bytes() for folder in (finished.root / "chapters", package) for path in folder.rglob("*")
            if path.is_file() and path.suffix != ".pyc"}
    kept |= {finished.root / name: (finished.root / name).read_bytes() for name in ("claims.yml", "index.md", "_toc.yml")}
    yield finished
    for path, content in kept.items():
        path.write_bytes(content)


def test_one_command_makes_models_chapters_verdicts_and_pages(finished):
    first = finished.first_run
    assert first.returncode == 0, first.stderr
    assert "smoke scale: 2 base models, 2 chapters, verdicts, pages to make, 2 at a time" in first.stderr
    for label in ALL:
        assert f"{label} started" in first.stderr and f"{label} finished in" in first.stderr
    assert "6/6 pages finished" in first.stderr
    assert "Pages: _build/html/index.html" in first.stdout
    assert (finished.root / "_build" / "html" / "index.html").is_file()
    assert pending(finished) == []


def test_nothing_is_made_again_when_nothing_changed(finished):
    before = finished.contents(".psm/store", ".psm/runs", ".psm/ledger", "_build")
    again = finished.psm("book", "--scale", "smoke")
    assert again.returncode == 0 and "nothing to do" in again.stdout and "_build/html/index.html" in again.stdout
    assert finished.contents(".psm/store", ".psm/runs", ".psm/ledger", "_build") == before


def test_editing_a_chapter_makes_that_chapter_the_verdicts_and_the_pages_again(undone):
    edit(undone.root / "chapters" / "neither.md", "2 + 2", "2 + 3")
    assert pending(undone) == ["chapter neither", "pages", "verdicts"]


def test_editing_the_registry_makes_verdicts_and_pages_again(undone):
    edit(undone.root / "claims.yml", "tests: []", "tests: []  # another thought")
    assert pending(undone) == ["pages", "verdicts"]


def test_editing_a_plain_page_or_the_pages_code_makes_only_the_pages_again(undone, package):
    edit(undone.root / "index.md", "A toy book", "A toy book indeed")
    assert pending(undone) == ["pages"]
    edit(undone.root / "index.md", "A toy book indeed", "A toy book")
    assert pending(undone) == []
    edit(package / "psm" / "book" / "stage.py", "import annotations\n", "import annotations\n\nNEW = 1\n")
    assert pending(undone) == ["pages"]


def test_editing_the_world_makes_everything_that_depends_on_it_again(undone, package):
    edit(package / "psm" / "world" / "sampler.py", "import annotations\n", "import annotations\n\nNEW = 1\n")
    assert pending(undone) == ALL


def test_editing_a_comment_of_the_world_makes_nothing_again(undone, package):
    edit(package / "psm" / "world" / "sampler.py", "import annotations\n", "import annotations\n\n# a remark\n")
    assert pending(undone) == []


def test_editing_finetuning_keeps_the_base_models(undone, package):
    edit(package / "psm" / "training" / "finetune.py", "import annotations\n", "import annotations\n\nNEW = 1\n")
    assert pending(undone) == ["chapter both", "chapter neither", "pages", "verdicts"]


def test_other_seeds_and_parameters_are_other_runs(finished, monkeypatch):
    monkeypatch.setenv("PSM_PROJECT", str(finished.root))
    monkeypatch.setenv("PSM_HOME", str(finished.home))
    plan, same, seeds, deeper = (finished.plan(**options) for options in
                                 ({}, {"seeds": (0,)}, {"seeds": (3,)}, {"parameters": {"k": 4}}))
    key = plan.chapter("neither").key
    assert same.chapter("neither").key == key
    assert len({key, seeds.chapter("neither").key, deeper.chapter("neither").key}) == 3
    assert [(m.world, m.seed) for m in seeds.base_models] == [("main", 3), ("independent", 3)]


def test_failing_chapters_stop_no_other_and_leave_evidence_and_pages_as_they_were(finished):
    """Every way of failing at once, in one run, beside a chapter that is well."""
    before = finished.contents(".psm/store", ".psm/runs", ".psm/ledger", "_build")
    originals = {name: (finished.root / name).read_text() for name in ("chapters/neither.md", "_toc.yml")}
    names = list(finished.names)
    finished.chapter("neither", "2 + 2", "raise ValueError('it broke')")
    finished.chapter("sleeps", "import time\ntime.sleep(60)", front="timeout_s: 1")
    finished.chapter("dies", "import os\nos.kill(os.getpid(), 9)")
    finished.chapter("leaves", "import sys\nsys.exit(0)")
    finished.chapter("leaves_3", "import sys\nsys.exit(3)")
    finished.chapter("unknown", "1", parameters='scale = "smoke"')
    finished.chapter("mistyped", "1", parameters='scale = "smoke"\nseeds = 0')
    finished.chapter("missing", "1", parameters=None)
    finished.chapter("well", "1 + 1")
    result = finished.psm("book", "--scale", "smoke", timeout=180)
    said = result.stderr.split("psm: ", 1)[1].splitlines()
    after = finished.contents(".psm/store", ".psm/runs", ".psm/ledger", "_build")
    well = finished.records("well")
    finished.names[:] = names
    for name, text in originals.items():
        finished.write(name, text)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    expected = {
        "neither": "ValueError: it broke", "sleeps": "time-out after 1 s", "dies": "the kernel died", "leaves": "called sys.exit(0)",
        "leaves_3": "called sys.exit(3)", "unknown": "has no parameter 'seeds'", "mistyped": "parameter 'seeds' must be a whole number",
        "missing": "no cell tagged 'parameters'",
    }
    lines = said[:-1]
    assert len(lines) == len(expected), said
    for name, what in expected.items():
        assert [line for line in lines if f"chapter {name} " in line.replace(":", " ") and what in line], (name, said)
    assert "8 of 11 steps failed, not made: verdicts, pages; no new pages were built" in said[-1]
    assert len(well) == 1, "an independent chapter still finishes"
    assert {name: digest for name, digest in after.items() if name in before} == before
    assert all(name.startswith(".psm/runs/smoke/well/") for name in set(after) - set(before))


def test_named_chapters_are_run_without_verdicts_and_pages(undone):
    edit(undone.root / "chapters" / "neither.md", "2 + 2", "2 + 4")
    edit(undone.root / "chapters" / "both.md", "1 + 1", "1 + 4")
    result = undone.psm("book", "--scale", "smoke", "neither")
    assert result.returncode == 0, result.stderr
    assert "smoke scale: 1 chapter to make" in result.stderr and "Runs: .psm/runs/smoke/neither/" in result.stdout
    assert pending(undone) == ["chapter both", "pages", "verdicts"]


def test_a_second_run_of_the_book_is_told_so(undone):
    edit(undone.root / "chapters" / "neither.md", "2 + 2", "2 + 5")
    with FileLock(undone.home / "locks" / "book.lock"):
        result = undone.psm("book", "--scale", "smoke")
    assert result.returncode == 2
    assert result.stderr.startswith("psm: another run of the book is in progress") and result.stderr.count("\n") == 1


def test_a_job_planned_under_other_sources_fails_under_its_own_name(undone):
    result = undone.psm("job", "chapter", "neither", "--key", "0" * 16, "--scale", "smoke")
    assert result.returncode == 1 and "its sources changed since this run began" in result.stderr
    last = json.loads((undone.home / "events.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["id"]) == ("fail", f"chapter:neither:{'0' * 16}")


def test_a_missing_base_model_is_trained_before_a_single_chapter(undone):
    result = undone.psm("run", "both", "--seeds", "7", "--no-train-missing")
    assert result.returncode == 2 and "needs base model main seed 7, base model independent seed 7" in result.stderr
    result = undone.psm("run", "both", "--seeds", "7")
    assert result.returncode == 0, result.stderr
    assert "base model main seed 7 is missing: training it first" in result.stderr
    assert "chapter both: cell 3 of 3" in result.stderr
    records = [json.loads(path.read_text()) for path in undone.records("both")]
    assert [7] in [record["seeds"] for record in records]


def test_a_chapter_run_again_makes_the_scales_verdicts_and_the_pages_again(undone):
    assert pending(undone) == []
    other = undone.write(".psm/ledger/laptop/kept/ledger.json", "[]")
    result = undone.psm("run", "both")
    assert result.returncode == 0, result.stderr
    assert pending(undone) == ["pages", "verdicts"] and other.exists()
    (record,) = [r for r in map(read_json, undone.records("both")) if r["seeds"] == [0]]
    again = undone.psm("book", "--scale", "smoke", timeout=180)
    assert again.returncode == 0 and pending(undone) == [], again.stderr
    stamp = read_json(next((undone.root / "_build" / "html").glob(".pages-*.json")))
    assert stamp["chapters"]["both"] == record["key"]


def test_a_chapter_that_fails_again_keeps_the_verdicts_and_pages_of_its_earlier_run(undone):
    edit(undone.root / "chapters" / "neither.md", "2 + 2", "2 / 0")
    result = undone.psm("run", "neither")
    assert result.returncode == 1
    edit(undone.root / "chapters" / "neither.md", "2 / 0", "2 + 2")
    assert pending(undone) == []


class Screen:
    """A stream that keeps what is written and is, or is not, a terminal."""

    def __init__(self, terminal):
        self.text, self.terminal = "", terminal

    def write(self, text):
        self.text += text

    def flush(self):
        pass

    def isatty(self):
        return self.terminal


def steps(project):
    kinds = [("model", "base model main seed 0"), ("chapter", "chapter one"), ("ledger", "verdicts")]
    return [Step(kind, f"{kind}::1", label, project.home / kind, f"{kind}/smoke") for kind, label in kinds]


def test_progress_tells_what_is_done_what_runs_and_what_is_left(project):
    write_json(project.home / "durations.json", {"model/smoke": 100.0, "chapter/smoke": 60.0, "ledger/smoke": 20.0})
    screen = Screen(False)
    emit("finish", "chapter::1")
    follower = Follower(steps(project), 2, screen)
    assert follower.seconds_left() == pytest.approx(120.0, abs=1)   # the model alone takes 100 s, the verdicts wait for it
    emit("start", "model::1")
    emit("start", "somebody::else")
    emit("at", "model::1", "step 5 of 10")
    follower.update()
    assert follower.status() == "0/3 done, about 2 min left; now: base model main seed 0 (step 5 of 10)"
    emit("finish", "model::1")
    emit("start", "chapter::1")
    emit("fail", "chapter::1", "chapter one failed in code cell 2: it broke")
    follower.update()
    assert follower.failed == {"chapter::1": "chapter one failed in code cell 2: it broke"}
    follower.close()
    lines = screen.text.splitlines()
    assert lines[0].endswith("] 0/3 base model main seed 0 started")
    assert lines[1].endswith("] 1/3 base model main seed 0 finished in 1 s; about 1 min left")
    assert lines[-1].endswith("1/3 chapter one FAILED: in code cell 2: it broke")
    assert json.loads((project.home / "durations.json").read_text())["model/smoke"] < 1


@pytest.mark.parametrize("durations", ['{"model/smoke": "long"}', '{"model/smoke": [1], "x": null}', "[1]", "{", '{"model/smoke": NaN}'])
def test_durations_that_cannot_be_read_only_cost_the_estimate(project, durations):
    project.write(".psm/durations.json", durations)
    assert Follower(steps(project), 2, Screen(False)).seconds_left() is None


def test_torn_and_foreign_lines_of_the_events_are_passed_over(project):
    follower = Follower(steps(project), 2, Screen(False))
    emit("start", "model::1")
    with open(events_path(), "ab") as stream:
        stream.write(b'{"time": 1, "eve\n[]\n3\n{}\n\xff\xfe\n{"id": []}\n{"id": "model::1", "event": "finish", "text": "", "time": "noon"}\n')
    emit("finish", "model::1")
    follower.update()
    assert list(follower.finished) == ["model::1"] and follower.failed == {}


def test_without_earlier_durations_the_share_that_is_done_gives_the_estimate(project):
    screen = Screen(True)
    follower = Follower(steps(project), 2, screen)
    emit("start", "model::1")
    follower.update()
    assert follower.left() == "time left not known yet"
    assert screen.text.endswith("0/3 done, time left not known yet; now: base model main seed 0") and "\n" not in screen.text
    emit("finish", "model::1")
    follower.update()
    assert follower.seconds_left() is not None
