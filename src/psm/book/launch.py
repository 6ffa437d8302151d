"""Where a reader can run a chapter: its executed notebook, its source, Binder and Colab."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import nbformat

from psm.book import kept_notebooks, repository
from psm.book.chapters import Chapter
from psm.book.pages import Edition, top
from psm.files import write_whole

FOLDER = "notebooks"                                    # of the site: what its pages offer for download
PUBLISHED = f"evidence/{kept_notebooks.FOLDER}"         # of the repository: what Binder and Colab open


def links(chapter: Chapter, edition: Edition) -> list[tuple[str, str]]:
    """(label, address) of everything a reader can open of this chapter, as seen from its page.

    Binder and Colab stand there only where the state of the repository that is checked out holds the executed notebook.
    """
    here = f"{top(edition.documents[chapter.name])}{FOLDER}/{chapter.name}"
    found = [("Executed notebook", f"{here}.ipynb"), ("Source", f"{here}.md")]
    state, path = repository.state(edition.plan.root, PUBLISHED), f"{PUBLISHED}/{chapter.name}.ipynb"
    if state is None or path not in state.files:
        return found
    ref = quote(state.ref, safe="")
    return [*found, ("Binder", f"https://mybinder.org/v2/gh/{state.name}/{ref}?labpath={quote(path, safe='')}"),
            ("Colab", f"https://colab.research.google.com/github/{state.name}/blob/{ref}/{path}")]


def stage_downloads(edition: Edition, folder: Path) -> None:
    """Put every chapter's executed notebook and its source where the pages' links expect them."""
    commit = repository.git(edition.plan.root, "rev-parse", "HEAD") or ""
    for job in edition.plan.chapters:
        notebook = kept_notebooks.kept_notebook(job, edition, commit)
        write_whole(folder / FOLDER / f"{job.chapter.name}.ipynb", nbformat.writes(notebook) + "\n")
        write_whole(folder / FOLDER / f"{job.chapter.name}.md", job.chapter.path.read_bytes())
