"""The published edition: evidence/ and the README's ledger, written whole from finished runs and a clean tree only."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from psm.book import kept_notebooks
from psm.book.badges import Row
from psm.book.claims_table import chapter_files
from psm.book.glance import readme
from psm.book.pages import Edition
from psm.book.plan import ChapterJob, Plan, make_plan
from psm.book.records import git_state, now
from psm.book.stage import read_record
from psm.errors import RunError, UsageError
from psm.evidence.ledger import read_ledger, write_ledger
from psm.evidence.tables import side_by_side
from psm.files import project_root, read_json, replace_folder, sha256_file, write_json, write_whole
from psm.scale import get_scale

MANIFEST = "MANIFEST.json"
CHECKSUMS = "SHA256SUMS"      # for `sha256sum -c`: everything in the manifest, and the manifest
NOTEBOOKS = f"../{kept_notebooks.FOLDER}/"     # from an edition's folder; the notebooks are those of the edition made last
SIDE_BY_SIDE = "side_by_side.md"
KEPT = ("measurements.csv", "values.json", "record.json")
BEGIN, END = "<!-- ledger:begin -->", "<!-- ledger:end -->"


def make_edition(scale: str) -> Path:
    """Write evidence/<scale>/ and the README's ledger from the runs of the current sources, and return the folder.

    Raises UsageError, before anything is written, for a scale that is no evidence, a tree with uncommitted changes (now
    or when a chapter ran), a run or ledger that is missing, a ledger of other runs, and a test that was registered after
    its run began.
    """
    if not get_scale(scale).is_evidence:
        raise UsageError(f"scale {scale} is no evidence: an edition is made at laptop or full scale")
    commit = _clean_commit(project_root())
    return write_edition(make_plan(scale), commit)


def write_edition(plan: Plan, commit: str) -> Path:
    """The edition of one plan; `commit` is the state of the tree it is made from."""
    scale = plan.scale.name
    rows = _checked_rows(plan)
    readme = _readme(plan, rows)
    target = plan.root / "evidence" / scale
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{scale}-", dir=target.parent) as temporary:
        folder = Path(temporary) / scale
        files = {name: entry for job in plan.chapters for name, entry in _copy_chapter(job, folder).items()}
        write_ledger(folder, rows)
        write_whole(folder / SIDE_BY_SIDE, f"# World and real model side by side, {scale} scale\n\n{side_by_side(rows)}")
        for name in ("ledger.json", "ledger.csv", SIDE_BY_SIDE):
            files[name] = {"sha256": sha256_file(folder / name), "ledger_key": plan.ledger_key}
        files |= _write_notebooks(plan, rows, folder, commit)
        _write_manifest(folder, {"scale": scale, "commit": commit, "made_at": now(), "ledger_key": plan.ledger_key, "files": files})
        verify_edition(folder)
        replace_folder(folder.parent / kept_notebooks.FOLDER, target.parent / kept_notebooks.FOLDER)
        replace_folder(folder, target)
    _let_go_of_notebooks(target)
    write_whole(plan.root / "README.md", readme)
    return target


def _clean_commit(root: Path) -> str:
    """The commit of a tree without uncommitted changes."""
    state = git_state(root)
    if not state["commit"]:
        raise UsageError(f"{root} is not a git repository with a commit: an edition names the commit it was made from")
    if state["dirty"]:
        raise UsageError("there are uncommitted changes (git status lists them): commit them, then make the edition")
    return state["commit"]


def _checked_rows(plan: Plan) -> list[Row]:
    """The ledger, when every chapter's run finished in a clean tree, and every row is of that run and registered before it."""
    missing = [job.chapter.name for job in plan.chapters if not job.record.is_file()]
    if missing:
        raise UsageError(f"no finished {plan.scale.name} run of {', '.join(missing)}: run `make book SCALE={plan.scale.name}` first")
    if not plan.ledger.is_file():
        raise UsageError(f"no verdicts for these runs: run `make book SCALE={plan.scale.name}` first")
    records = {job.chapter.name: read_record(job) for job in plan.chapters}
    for name, record in records.items():
        if record["dirty"] is not False:
            how = "with uncommitted changes" if record["dirty"] else "outside a git repository"
            raise UsageError(f"{name} ran {how}: commit, then run it again (psm run {name} --scale {plan.scale.name})")
    rows = read_ledger(plan.ledger_folder)
    _demand_same_runs(plan, rows, records)
    late = [row["test"] for row in rows if row["verdict"] != "not run" and row.get("registered_before_run") is not True]
    if late:
        raise UsageError(f"not registered before its run: {', '.join(dict.fromkeys(late))}; commit claims.yml, then run those chapters again")
    return rows


def _demand_same_runs(plan: Plan, rows: Sequence[Row], records: Mapping[str, Mapping[str, Any]]) -> None:
    """Every row must be of the very run that is published; a chapter without measurements gives rows without a run."""
    measured = {job.chapter.name for job in plan.chapters if (job.folder / "measurements.csv").is_file()}
    begun = {name: {record["started_at"]} | (set() if name in measured else {None}) for name, record in records.items()}
    other = [row["test"] for row in rows if row.get("run_started_at") not in begun.get(row["chapter"], {None})]
    if other:
        raise UsageError(f"the verdicts are of other runs than these ({', '.join(dict.fromkeys(other))}): delete "
                         f"{plan.ledger_folder} and {plan.pages_stamp}, then run `make book SCALE={plan.scale.name}`")


def _copy_chapter(job: ChapterJob, folder: Path) -> dict[str, dict[str, Any]]:
    """Copy what a chapter publishes, and return its lines of the manifest. One that tests no claim need not measure."""
    record = read_record(job)
    figures = sorted(path for kind in ("csv", "json") for path in (job.folder / "figures").glob(f"*.{kind}"))
    lines = {}
    for source in [*(job.folder / name for name in KEPT), *figures]:
        if not source.is_file():
            if not job.chapter.claims:
                continue
            raise UsageError(f"the run of {job.chapter.name} holds no {source.name}: run the chapter again")
        name = Path(job.chapter.name) / source.relative_to(job.folder)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / name)
        lines[name.as_posix()] = {
            "sha256": sha256_file(folder / name), "chapter": job.chapter.name, "key": job.key, "commit": record["commit"],
            "started_at": record["started_at"], "finished_at": record["finished_at"],
        }
    return lines


def _write_notebooks(plan: Plan, rows: Sequence[Row], folder: Path, commit: str) -> dict[str, dict[str, Any]]:
    """Write the executed notebooks beside the new edition, and return their lines of the manifest."""
    records = {job.chapter.name: read_record(job) for job in plan.chapters}
    shelf = folder.parent / kept_notebooks.FOLDER
    shelf.mkdir()
    written = kept_notebooks.write_notebooks(Edition(plan, rows, tuple(records.values()), {}, None), shelf, commit)
    return {f"{NOTEBOOKS}{name}": {
        "sha256": sha256_file(shelf / name), "chapter": Path(name).stem, "commit": records[Path(name).stem]["commit"],
        "started_at": records[Path(name).stem]["started_at"]} for name in written}


def _write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """The manifest, and after it the checksums, which cover it too."""
    write_json(folder / MANIFEST, {**manifest, "checksums": CHECKSUMS})
    lines = {name: entry["sha256"] for name, entry in manifest["files"].items()} | {MANIFEST: sha256_file(folder / MANIFEST)}
    write_whole(folder / CHECKSUMS, "".join(f"{digest}  {name}\n" for name, digest in sorted(lines.items())))


def _let_go_of_notebooks(edition: Path) -> None:
    """Editions at other scales no longer vouch for the notebooks, which are this edition's now."""
    for path in sorted(edition.parent.glob(f"*/{MANIFEST}")):
        manifest = read_json(path)
        kept = {name: entry for name, entry in manifest["files"].items() if not name.startswith(NOTEBOOKS)}
        if path.parent != edition and len(kept) < len(manifest["files"]):
            _write_manifest(path.parent, {**manifest, "files": kept})


def _readme(plan: Plan, rows: Sequence[Row]) -> str:
    """The README with the ledger of this edition between its two marks."""
    path = plan.root / "README.md"
    text = path.read_text() if path.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError(f"README.md needs the lines {BEGIN} and {END}: the ledger goes between them")
    return f"{before}{BEGIN}\n{readme(rows, plan.scale.name, chapter_files(plan))}{END}{after}"


def verify_edition(folder: Path | str) -> int:
    """Check every file of an edition against its manifest and its checksums, and return their number. RunError names what differs."""
    folder = Path(folder)
    manifest = read_json(folder / MANIFEST)
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict) or not all(isinstance(entry, dict) and "sha256" in entry for entry in files.values()):
        raise RunError(f"{folder / MANIFEST} lists no files with their sha256: make the edition again")
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {MANIFEST, CHECKSUMS}
    if any(name.startswith(NOTEBOOKS) for name in files):
        present |= {f"{NOTEBOOKS}{path.name}" for path in (folder / NOTEBOOKS).glob("*") if path.is_file()}
    problems = [f"{name} is missing" for name in sorted(set(files) - present)]
    problems += [f"{name} is not in the manifest" for name in sorted(present - set(files))]
    problems += [f"{name} was changed" for name in sorted(present & set(files)) if sha256_file(folder / name) != files[name]["sha256"]]
    problems += _wrong_checksums(folder, files) if "checksums" in manifest else []
    if problems:
        raise RunError(f"the edition in {folder} is not the one its manifest describes: {'; '.join(problems)}")
    return len(files)


def _wrong_checksums(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What the file of checksums says otherwise than the manifest, in words."""
    if not (folder / CHECKSUMS).is_file():
        return [f"{CHECKSUMS} is missing"]
    stated = {name: digest for digest, _, name in (line.partition("  ") for line in (folder / CHECKSUMS).read_text().splitlines())}
    right = {name: entry["sha256"] for name, entry in files.items()} | {MANIFEST: sha256_file(folder / MANIFEST)}
    return [f"{CHECKSUMS} is wrong about {name}" for name in sorted(set(stated) | set(right)) if stated.get(name) != right.get(name)]
