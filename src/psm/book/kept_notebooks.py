"""Executed chapters as notebooks that stand alone: read on a repository's web pages, opened on Binder, Colab or a laptop.

What Sphinx would make of them is made here: numbers and verdicts in the text, images in place of the pages' HTML.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from psm.book import badges, citing, install_cell, plain_markdown, repository
from psm.book.notebooks import FOLDED, is_injected, with_stable_ids
from psm.book.pages import Edition
from psm.book.plan import ChapterJob
from psm.errors import RunError
from psm.files import read_json, workspace, write_whole

FOLDER = "notebooks"
LIMIT = 1_000_000     # bytes of one notebook; what a repository's web pages still show
_FIGURE = re.compile(r'<figure class="psm-figure" id="figure-([a-z0-9_-]+)"[^>]*>')
_DARK = re.compile(r'<img class="psm-dark"[^>]*>')


def kept_notebook(job: ChapterJob, edition: Edition, commit: str) -> NotebookNode:
    """The executed notebook of a chapter, ready to be read and run anywhere; `commit` is what its install cell fetches."""
    notebook = nbformat.reads((job.folder / "executed.ipynb").read_text(), as_version=4)
    root, name = edition.plan.root, job.chapter.name
    cells = [cell for cell in notebook.cells if cell.source.strip()]
    cite = plain_markdown.citer(root / "references.bib")
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = plain_markdown.plain(cell.source, lambda key: _value(edition, name, key), lambda *m: _marker(edition, *m), cite)
            cell.metadata = NotebookNode()
        elif cell.cell_type == "code":
            cell.outputs = [made for output in cell.outputs for made in _output(output, job, edition.scale)]
            cell.metadata = _metadata(cell)
    title = _split_title(cells, job)
    install = nbformat.v4.new_code_cell(install_cell.source(root, repository.address(root), commit).rstrip("\n"), metadata={"tags": ["install"]})
    head = [install, nbformat.v4.new_markdown_cell(title), nbformat.v4.new_markdown_cell(opening(job, edition))]
    kept = {key: value for key, value in notebook.metadata.items() if key in ("kernelspec", "language_info")}
    whole = nbformat.v4.new_notebook(cells=[*head, *cells], metadata=kept)
    whole.nbformat_minor = 5
    return _without_paths(with_stable_ids(whole), root)


def _split_title(cells: list[NotebookNode], job: ChapterJob) -> str:
    """Take the title's line out of the first cell that holds one."""
    for cell in cells:
        lines = cell.source.split("\n")
        at = next((i for i, line in enumerate(lines) if line.startswith("# ")), None)
        if cell.cell_type == "markdown" and at is not None:
            cell.source = "\n".join(lines[:at] + lines[at + 1:]).strip("\n")
            if not cell.source:
                cells.remove(cell)
            return lines[at]
    raise RunError(f"chapter {job.chapter.name} has no title: its first heading must be a line that begins with '# '")


def opening(job: ChapterJob, edition: Edition) -> str:
    """The verdicts in plain words, what this notebook shows, and how to run it small."""
    rows = [row for claim in job.chapter.claims for row in badges.primary_rows(edition.rows, claim)]
    lines = [f"- {_verdict(row)}" for row in rows] or ["- No verdict here: this chapter tests no claim."]
    record = next(record for record in edition.records if record["chapter"] == job.chapter.name)
    made = (f"Executed at {edition.scale} scale on {badges.day(record['started_at'])}, commit {citing.commit_text(record)}; version "
            f"{citing.read_citation(edition.plan.root).version} of *{citing.read_citation(edition.plan.root).title}*.")
    small = ('Running all cells repeats the whole experiment, pretraining included. To see it run in minutes, set `scale = "smoke"` and '
             "`seeds = [0]` in the cell that begins with `# Parameters`.")
    return "\n".join(["**Verdict**", "", *lines, "", made, "", small])


def _verdict(row: dict[str, Any]) -> str:
    """One primary test in a sentence or two."""
    text = f"**{row['verdict']}**: {row['claim']} {badges.WHERE[row['substrate']]} “{row.get('world') or ''}” ({row['test']})."
    if row.get("estimate") is not None:
        spread = badges.interval(row.get("ci_low"), row.get("ci_high"))
        text += (f" Estimate {badges.number(row['estimate'])}{' ' + row['unit'] if row.get('unit') else ''} "
                 f"(95 % interval {spread}, {badges.units(row)}); to count as support, all of it had to lie {badges.needed(row)}.")
    return text + (f" {row['reason']}" if row["verdict"] != "supported" and row.get("reason") else "")


def _value(edition: Edition, chapter: str, key: str) -> str:
    """The text of a bound number; `key` may name another chapter's page and a format, which its text has already."""
    *page, name = key.split("::")
    owner = Path(page[0]).stem if page else chapter
    return edition.value_text(f"{owner}.{name.split(':')[0].strip()}")


def _marker(edition: Edition, name: str, argument: str) -> str:
    if name == "value":
        return edition.value_text(argument)
    if name == "verdict":
        return f"**{edition.own_row(argument)['verdict']}**"
    return ""


def _metadata(cell: NotebookNode) -> NotebookNode:
    """A code cell's tags, and that it is folded where the page folds it."""
    tags = cell.metadata.get("tags", [])
    kept: dict[str, Any] = {"tags": list(tags)} if tags else {}
    if FOLDED & set(tags) and not is_injected(cell):
        kept["jupyter"] = {"source_hidden": True}
    return NotebookNode(kept)


def _output(output: NotebookNode, job: ChapterJob, scale: str) -> list[NotebookNode]:
    """What is kept of an output: no progress, no numbers bound for the page, and a figure as an image."""
    if output.output_type == "stream":
        return [output] if output.name == "stdout" else []
    data = output.get("data", {})
    if not data or any(kind.startswith("application/papermill.record") for kind in data):
        return []
    output.metadata = NotebookNode()
    page = data.get("text/html", "")
    figure = _FIGURE.search(page)
    if figure is None:
        return [output]
    image, told = job.folder / "figures" / f"{figure[1]}.png", job.folder / "figures" / f"{figure[1]}.json"
    if not image.is_file() or not told.is_file():
        output.data["text/html"] = _DARK.sub("", page)
        return [output]
    words = read_json(told)
    output.data = NotebookNode({"image/png": base64.b64encode(image.read_bytes()).decode(), "text/plain": words["alt"]})
    output.metadata = NotebookNode({"image/png": {"alt": words["alt"]}})
    table = f"evidence/{scale}/{job.chapter.name}/figures/{figure[1]}.csv"
    caption = nbformat.v4.new_output("display_data", data={
        "text/markdown": f"*{words.get('caption', words['alt']).strip()}* Data: `{table}`", "text/plain": words.get("caption", words["alt"])})
    return [output, caption]


def _without_paths(notebook: NotebookNode, root: Path) -> NotebookNode:
    """The notebook without the folders of the machine that executed it."""
    text = nbformat.writes(notebook)
    for folder, shown in ((workspace(), ".psm"), (root.resolve(), "."), (Path.home(), "~")):
        if len(folder.parts) > 1:
            text = re.sub(re.escape(json.dumps(str(folder))[1:-1]) + r"(?=[/\"\\\s',)\]])", shown, text)
    clean = nbformat.reads(text, as_version=4)
    nbformat.validate(clean)
    return clean


def write_notebooks(edition: Edition, folder: Path, commit: str) -> list[str]:
    """Write every chapter's notebook into `folder` and return their names. RunError for one too large to be kept."""
    names = []
    for job in edition.plan.chapters:
        text = nbformat.writes(kept_notebook(job, edition, commit)) + "\n"
        name = f"{job.chapter.name}.ipynb"
        if len(text.encode()) > LIMIT:
            raise RunError(f"the notebook of {job.chapter.name} is {len(text.encode()) / 1e6:.1f} MB, above {LIMIT / 1e6:.0f} MB: "
                           f"make its figures or tables smaller")
        write_whole(folder / name, text)
        names.append(name)
    return names
