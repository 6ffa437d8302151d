"""Reference lists: each page that cites ends with the works it cites, linked from its own citations.

Sphinx allows a work in several lists only under different names, so a page's citations get the page's own prefix when it is staged.
"""

from __future__ import annotations

import re

from nbformat import NotebookNode

ROLE = re.compile(r"(?<!`)(\{cite(?::\w+)?\}`)([^`]+)(`)")
_KEY = re.compile(r"(?:^|(?<=,))(\s*(?:\{[^{}]*\}\s*)?)([^\s,{}]+)")     # a key, after what `{see}key{p. 3}` puts before it


def cited(text: str) -> list[str]:
    """The keys that a page's text cites, each once, in the order of their first citation."""
    return list(dict.fromkeys(key for role in ROLE.finditer(text) for _, key in _KEY.findall(role[2])))


def with_prefix(text: str, prefix: str) -> str:
    """The text with `prefix` before every key that it cites."""
    return ROLE.sub(lambda role: role[1] + _KEY.sub(rf"\g<1>{prefix}\g<2>", role[2]) + role[3], text)


def prefix_of(document: str) -> str:
    """What the keys of a page begin with: the page's path, without what could not stand in an address."""
    return re.sub(r"[^a-z0-9]+", "-", document.removeprefix("chapters/").lower()).strip("-") + "-"


def reference_list(prefix: str) -> str:
    """Markdown section with the works that the page with this prefix cites."""
    return f"## References\n\n```{{bibliography}}\n:filter: docname in docnames\n:style: plain\n:keyprefix: {prefix}\n```"


def own_list(notebook: NotebookNode, document: str) -> list[str]:
    """Give the citations of a notebook their prefix; what to put at its end: a section, or nothing where nothing is cited."""
    prefix, cites = prefix_of(document), False
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cited(cell.source):
            cell.source, cites = with_prefix(cell.source, prefix), True
    return [reference_list(prefix)] if cites else []


def with_list(text: str, document: str) -> str:
    """A plain page with its reference list at the end. A page that cites nothing, or has a list itself, stays as it is.

    So does the front page: its citations lead to the list of all works.
    """
    if not cited(text) or "{bibliography}" in text or "/" not in document:
        return text
    prefix = prefix_of(document)
    return f"{with_prefix(text, prefix).rstrip()}\n\n{reference_list(prefix)}\n"
