"""What the pages show of one run of the book: its plan, its ledger, its records, the numbers bound to prose, and every page's address."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from psm.book.badges import Row
from psm.book.chapters import Chapter
from psm.book.plan import Plan
from psm.errors import UsageError
from psm.evidence import shapes


@dataclass(frozen=True)
class Edition:
    """All that the pages show: the plan, its ledger, its records in reading order, and the pages' places."""

    plan: Plan
    rows: Sequence[Row]
    records: tuple[dict[str, Any], ...]
    documents: dict[str, str]      # chapter name -> its page without suffix, from the site's top
    ledger_document: str | None

    @property
    def scale(self) -> str:
        return self.plan.scale.name

    @cached_property
    def chapters(self) -> dict[str, Chapter]:
        """Every chapter by its name, in reading order."""
        return {job.chapter.name: job.chapter for job in self.plan.chapters}

    @cached_property
    def values(self) -> dict[str, Mapping[str, Any]]:
        """The numbers that each chapter bound to its prose, by the chapter's name."""
        return {job.chapter.name: shapes.read_values(job.folder / "values.json") for job in self.plan.chapters}

    def link_from(self, document: str) -> Callable[[str], str]:
        """Addresses of chapters as seen from `document`."""
        return lambda chapter: address(document, self.documents[chapter])

    def ledger_href(self, document: str) -> str | None:
        """Address of the ledger page as seen from `document`."""
        return address(document, self.ledger_document) if self.ledger_document else None

    def own_row(self, test: str) -> Row:
        """The ledger row of a test in its own world. Raises UsageError when there is none."""
        for row in self.rows:
            if row["test"] == test and shapes.is_own(row):
                return row
        raise UsageError(f"the ledger has no test '{test}'")

    def value_text(self, name: str) -> str:
        """Text of a number of another page, named CHAPTER.KEY. Raises UsageError when no chapter bound it."""
        chapter, _, key = name.partition(".")
        if chapter not in self.values:
            raise UsageError(f"no value '{name}': write CHAPTER.KEY with one of the chapters {', '.join(self.values)}")
        if key not in self.values[chapter]:
            raise UsageError(f"no value '{name}': the run of {chapter} bound {', '.join(sorted(self.values[chapter]))}")
        return self.values[chapter][key]["text"]


def address(source: str, target: str) -> str:
    """Relative address of the page `target` on the page `source`; both without suffix, from the site's top."""
    return os.path.relpath(f"{target}.html", os.path.dirname(source) or ".").replace(os.sep, "/")


def top(document: str) -> str:
    """The way from a page to the site's top folder, ending in a slash."""
    return os.path.relpath(".", os.path.dirname(document) or ".").replace(os.sep, "/") + "/"
