"""How a chapter opens: under its title the verdicts, how long it takes to read, what to read before, and where to run it."""

from __future__ import annotations

import html
import math
import re

from nbformat import NotebookNode

from psm.book import badges, launch
from psm.book.chapters import Chapter
from psm.book.notebooks import FOLDED
from psm.book.pages import Edition

WORDS_PER_MINUTE = 200
CODE_LINES_PER_MINUTE = 20


def reading_minutes(notebook: NotebookNode) -> int:
    """Minutes to read a page: its words, and the lines of code that are not folded away."""
    words = sum(len(re.findall(r"\w+", cell.source)) for cell in notebook.cells if cell.cell_type == "markdown")
    shown = [cell for cell in notebook.cells if cell.cell_type == "code" and not FOLDED & set(cell.metadata.get("tags", []))]
    lines = sum(len(cell.source.splitlines()) for cell in shown)
    return max(1, math.ceil(words / WORDS_PER_MINUTE + lines / CODE_LINES_PER_MINUTE))


def opening(chapter: Chapter, notebook: NotebookNode, edition: Edition) -> str:
    """What stands under a chapter's title, as one block of HTML without blank lines."""
    document = edition.documents[chapter.name]
    shown = badges.chapter_badges(chapter.claims, edition.rows, edition.scale, edition.ledger_href(document))
    link = edition.link_from(document)
    facts = [f"{reading_minutes(notebook)} minutes to read"]
    if chapter.prerequisites:
        before = [f'<a href="{link(name)}">{_short(edition.chapters[name])}</a>' for name in chapter.prerequisites]
        facts.append(f"read before: {', '.join(before)}")
    facts += [f'<a href="{html.escape(href)}">{html.escape(label)}</a>' for label, href in launch.links(chapter, edition)]
    items = "".join(f"<li>{fact}</li>" for fact in facts)
    return f'{shown}<ul class="psm-opening" aria-label="About this chapter">{items}</ul>'


def _short(chapter: Chapter) -> str:
    """What a chapter is called in a line: its claims, or its title where it has none."""
    return html.escape(", ".join(chapter.claims) or badges.plain(chapter.title))
