"""The book as one PDF: the built pages bound together and printed by a browser, with outline, tags and page numbers."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from psm.book.binding import TitlePage, bind, leaves
from psm.book.browser import opened
from psm.book.citing import read_citation
from psm.book.plan import Plan
from psm.book.provenance import edition
from psm.book.stage import read_record
from psm.errors import RunError, UsageError
from psm.files import write_whole

if TYPE_CHECKING:
    from playwright.sync_api import Page

NAME = "psm-book.pdf"
PATIENCE = 300_000      # milliseconds; a large book on a slow machine
SETTLED = """async () => { await document.fonts.ready; if (window.MathJax?.startup?.promise) await window.MathJax.startup.promise;
  await Promise.all([...document.images].map(image => image.decode().catch(() => null))) }"""


def make_pdf(plan: Plan) -> Path:
    """Print the built pages of `plan` and return the PDF, which is written whole or not at all."""
    if not plan.pages_stamp.is_file():
        raise UsageError(f"the pages at {plan.scale.name} scale are not built: run 'psm book --scale {plan.scale.name}'")
    site = plan.pages_stamp.parent
    citation = read_citation(plan.root)
    line = edition(citation, [read_record(job) for job in plan.chapters], plan.scale.name)
    pages, title = leaves(plan.root), TitlePage(citation.title, citation.authors, line, citation.url)
    with opened() as browser:
        tab = browser.new_page()
        tab.set_default_timeout(PATIENCE)
        first = _print(tab, site, bind(site, pages, title, site.name))
        numbered = bind(site, pages, title, site.name, sheet_numbers(first))
        target = site.parent / NAME
        write_whole(target, _print(tab, site, numbered))
    return target


def _print(tab: Page, site: Path, text: str) -> bytes:
    """Print a bound book, once its fonts, pictures and maths are there. RunError names a file that it could not load."""
    missing: list[str] = []
    tab.on("requestfailed", lambda request: missing.append(request.url))
    # beside the pages' folder, which the printed page names by its relative address
    with tempfile.NamedTemporaryFile("w", dir=site.parent, prefix=".psm-book-", suffix=".html", encoding="utf-8") as whole:
        whole.write(text)
        whole.flush()
        tab.goto(Path(whole.name).as_uri(), wait_until="load")
        tab.evaluate(SETTLED)
        printed = tab.pdf(prefer_css_page_size=True, print_background=True, outline=True, tagged=True)
    if missing:
        raise RunError(f"the PDF was not written, the old one stays: {missing[0]} could not be loaded")
    return printed


def sheet_numbers(printed: bytes) -> dict[str, int]:
    """The sheet, counted from 1, that each anchor with a link to it stands on."""
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(printed))
    by_page = {page.indirect_reference.idnum: number for number, page in enumerate(reader.pages, start=1)}
    return {name.lstrip("/"): by_page[place.page.idnum] for name, place in reader.named_destinations.items()
            if getattr(place.page, "idnum", None) in by_page}
