"""What the pages need of Sphinx beyond its extensions: no scripts for what the book does not offer, lists that say what they are.

Named in `_config.yml`; Sphinx calls `setup`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

LIVE_CODE = "sphinx-thebe"     # Jupyter Book's button for live code, which is off: its script is put in twice and fails


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect what follows to Sphinx's events."""
    app.connect("html-page-context", without_live_code, priority=900)
    app.connect("html-page-context", plain_citation_lists)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def without_live_code(_app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: Any) -> None:
    """Leave the scripts and styles of live code out of a page."""
    for kind in ("script_files", "css_files"):
        context[kind] = [entry for entry in context.get(kind, ()) if not _is_live_code(entry)]


def _is_live_code(entry: Any) -> bool:
    body = getattr(entry, "attributes", {}).get("body") or ""
    return LIVE_CODE in str(getattr(entry, "filename", "") or "") or "THEBE_JS_URL" in body


def plain_citation_lists(_app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: Any) -> None:
    """Call a list of citations no list: its entries have a role of their own, and who hears the page would be told of an empty list."""
    if "body" in context:
        context["body"] = context["body"].replace('<div role="list" class="citation-list">', '<div class="citation-list">')
