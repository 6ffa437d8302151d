"""Markers in a page's text, such as `<!-- psm:ledger -->` or `<!-- psm:value g1.apart_main -->`, and what replaces them."""

from __future__ import annotations

import re
from collections.abc import Callable

from psm.book import badges, citing, claims_table, confirmation_page, cover, glance, ledger_page, provenance, status_page
from psm.book.pages import Edition, top
from psm.errors import UsageError

MARKER = re.compile(r"<!--\s*psm:([^\s>]*)[ \t]*([^>]*?)\s*-->")
Filler = Callable[[Edition, str, str], str]     # from the edition, the page that is filled and the marker's argument


def _ledger(edition: Edition, document: str, _: str) -> str:
    return ledger_page.ledger(edition.rows, edition.scale, claims_table.places(edition, document), edition.records, top(document))


def _ledger_summary(edition: Edition, document: str, _: str) -> str:
    claims = {name: chapter.claims for name, chapter in edition.chapters.items()}
    return glance.summary(edition.rows, edition.scale, claims_table.places(edition, document), claims, edition.ledger_href(document))


def _status(edition: Edition, document: str, _: str) -> str:
    return status_page.status(edition.records, claims_table.places(edition, document), status_page.trained_in(edition.plan.base_models))


def _edition(edition: Edition, _document: str, _: str) -> str:
    return provenance.edition(citing.read_citation(edition.plan.root), edition.records, edition.scale)


def _confirmation(edition: Edition, document: str, _: str) -> str:
    return confirmation_page.confirmation(edition.rows, edition.scale, edition.ledger_href(document))


def _verdict(edition: Edition, document: str, test: str) -> str:
    """The verdict of a test, as a pill that leads to its line of the ledger."""
    return badges.linked(edition.own_row(test), edition.ledger_href(document))


FILLERS: dict[str, Filler] = {
    "ledger": _ledger,
    "ledger-summary": _ledger_summary,
    "nulls": lambda edition, _document, _: ledger_page.nulls(edition.rows, edition.scale),
    "confirmation": _confirmation,
    "status": _status,
    "verdict-words": lambda _edition, _document, _: badges.verdict_words(),
    "edition": _edition,
    "cite-book": lambda edition, _document, _: citing.cite_book(citing.read_citation(edition.plan.root), edition.records, edition.scale),
    "cover": lambda _edition, _document, _: cover.cover(),
    "value": lambda edition, _document, name: edition.value_text(name),
    "verdict": _verdict,
}


def fill(text: str, page: str, edition: Edition, document: str) -> str:
    """A page's text with its markers replaced. Raises UsageError, naming the page, for a marker that nobody fills."""
    def one(match: re.Match[str]) -> str:
        name, argument = match.groups()
        if name not in FILLERS:
            raise UsageError(f"{page} has the unknown marker '{match.group(0)}': known are {', '.join(FILLERS)}")
        try:
            return FILLERS[name](edition, document, argument)
        except UsageError as error:
            raise UsageError(f"{page}, marker '{match.group(0)}': {error}") from None

    return MARKER.sub(one, text)
