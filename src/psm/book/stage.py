"""Staging: the folder Sphinx reads, made of plain pages, executed chapters, the ledger's verdicts and provenance."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from psm.book import bibliography, citing, launch, opening, provenance
from psm.book.badges import Row
from psm.book.chapters import read_chapter, toc_pages
from psm.book.fillers import fill
from psm.book.notebooks import HIDDEN, is_injected
from psm.book.pages import Edition
from psm.book.plan import ChapterJob, Plan
from psm.errors import RunError
from psm.evidence import shapes
from psm.evidence.ledger import write_ledger
from psm.files import write_whole

SITE_FILES = ("_config.yml", "_toc.yml", "references.bib")
EXTRA = "_extra"     # files that keep their name at the top of the site (`html_extra_path` in _config.yml)


def read_record(job: ChapterJob) -> dict[str, Any]:
    """A chapter's record. Raises RunError when the chapter has not been executed to its end."""
    name = job.chapter.name
    if not job.record.is_file():
        raise RunError(f"chapter {name} has no finished run: no pages are built (run it with: psm run {name})")
    record = shapes.read_record(job.record)
    if record["exit"] != "ok":
        raise RunError(f"chapter {name} ended with '{record['exit']}': no pages are built")
    return record


def _read_notebook(job: ChapterJob) -> NotebookNode:
    """A chapter's executed notebook. Raises RunError when it is missing, damaged or holds an error."""
    path = job.folder / "executed.ipynb"
    try:
        notebook = nbformat.reads(path.read_text(), as_version=4)
        nbformat.validate(notebook)
    except FileNotFoundError:
        raise RunError(f"chapter {job.chapter.name}: its run holds no executed.ipynb; run it again") from None
    except Exception as error:   # whatever a damaged file makes the reader stumble over
        raise RunError(f"chapter {job.chapter.name}: {path} is no notebook ({type(error).__name__}); run it again") from None
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", ()):
            if output.output_type == "error":
                raise RunError(f"chapter {job.chapter.name}: cell {index + 1} holds the error "
                               f"{output.ename}: {' '.join(output.evalue.split())[:200]}; no pages are built")
    return notebook


def _markdown_cell(source: str) -> NotebookNode:
    cell = nbformat.v4.new_markdown_cell(source)
    cell["id"] = "psm-" + hashlib.sha256(source.encode()).hexdigest()[:12]
    return cell


def _under_title(notebook: NotebookNode, source: str, name: str) -> None:
    """Put a cell right under the chapter's title, splitting the cell that holds the title where text follows it."""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        lines = cell.source.split("\n")
        at = next((i for i, line in enumerate(lines) if line.startswith("# ")), None)
        if at is None:
            continue
        before, after = "\n".join(lines[: at + 1]), "\n".join(lines[at + 1:]).strip("\n")
        notebook.cells[index:index + 1] = [_markdown_cell(text) for text in (before, source, after) if text]
        return
    raise RunError(f"chapter {name} has no title: its first heading must be a line that begins with '# '")


def chapter_page(job: ChapterJob, edition: Edition, record: dict[str, Any]) -> NotebookNode:
    """The executed notebook as it is published: badge under the title, citation and provenance at the end."""
    chapter, document = job.chapter, edition.documents[job.chapter.name]
    notebook = _read_notebook(job)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        if is_injected(cell):
            cell.metadata["tags"] = sorted({*cell.metadata["tags"], HIDDEN})
            cell.metadata["mystnb"] = {"code_prompt_show": "Show the parameters of this run", "code_prompt_hide": "Hide them"}
    kept = ("kernelspec", "language_info")
    notebook.metadata = NotebookNode({k: v for k, v in notebook.metadata.items() if k in kept})
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = fill(cell.source, chapter.path.name, edition, document)
    _under_title(notebook, opening.opening(chapter, notebook, edition), chapter.name)
    citation = citing.read_citation(edition.plan.root)
    references = bibliography.own_list(notebook, document)
    ends = [*references, citing.how_to_cite(citation, chapter, record), provenance.box(record)]
    notebook.cells += [_markdown_cell(text) for text in ends]
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def _documents(plan: Plan) -> dict[Path, str]:
    """Every page of the book and its place: its path from the root, without suffix."""
    return {page: page.relative_to(plan.root).with_suffix("").as_posix() for page in toc_pages(plan.root)}


def stage(plan: Plan, ledger_rows: Sequence[Row], folder: Path) -> Path:
    """Fill the new folder `folder` with everything Sphinx needs to build the pages, and return it.

    Raises RunError when a chapter is not executed or failed, UsageError for a marker that nobody fills.
    """
    folder = Path(folder)
    documents = _documents(plan)
    jobs = {job.chapter.path: job for job in plan.chapters}
    texts = {page: page.read_text() for page in documents if page not in jobs}
    for page in texts:
        if (chapter := read_chapter(page, plan.root)) is not None:
            raise RunError(f"chapter {chapter.name} is a page of the book and not part of this run: pages need every chapter")
    chapters = {job.chapter.name: documents[page] for page in documents if (job := jobs.get(page))}
    ledger = next((documents[page] for page, text in texts.items() if "<!-- psm:ledger -->" in text), None)
    edition = Edition(plan, ledger_rows, tuple(read_record(job) for job in plan.chapters), chapters, ledger)
    for job, record in zip(plan.chapters, edition.records):
        notebook = chapter_page(job, edition, record)
        write_whole(folder / f"{chapters[job.chapter.name]}.ipynb", nbformat.writes(notebook) + "\n")
    for page, text in texts.items():
        write_whole(folder / page.relative_to(plan.root), bibliography.with_list(fill(text, page.name, edition, documents[page]), documents[page]))
    launch.stage_downloads(edition, folder / EXTRA)
    _copy_site(plan, ledger_rows, folder)
    return folder


def _copy_site(plan: Plan, rows: Sequence[Row], folder: Path) -> None:
    """Configuration, bibliography, style sheets, and the ledger's downloads."""
    for name in SITE_FILES:
        if (plan.root / name).is_file():
            write_whole(folder / name, (plan.root / name).read_bytes())
    if (plan.root / "_static").is_dir():
        shutil.copytree(plan.root / "_static", folder / "_static", dirs_exist_ok=True)
    write_ledger(folder / EXTRA, rows)
    write_whole(folder / EXTRA / ".nojekyll", "")
