"""Where a reader can run a chapter: its executed notebook, its source, Binder and Colab."""

from __future__ import annotations

from psm.book.chapters import Chapter
from psm.book.pages import Edition


def links(chapter: Chapter, edition: Edition) -> list[tuple[str, str]]:
    """(label, address) of everything a reader can open of this chapter, as seen from its page."""
    return []
