"""Tables that stay readable on a phone: there each line becomes a card, whose cells bear their column's name."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

Data = Mapping[str, str]


def data_attributes(data: Data) -> str:
    """`data-` attributes of an element, escaped."""
    return "".join(f' data-{name}="{html.escape(value)}"' for name, value in data.items())


def line(head: str, cells: Sequence[str | tuple[str, int]], heads: Sequence[str], data: Data | None = None, anchor: str = "") -> str:
    """A line of a table from finished HTML: its row header, which may be an anchor, and a cell for each further column.

    A cell given as (HTML, number of columns) spans them. The roles are spelt out because a line that is shown as a card is no
    table row to some browsers.
    """
    mark = f' id="{html.escape(anchor)}"' if anchor else ""
    row, at = [f'<th scope="row" role="rowheader"{mark}>{head}</th>'], 1
    for cell in cells:
        text, columns = (cell, 1) if isinstance(cell, str) else cell
        span = f' colspan="{columns}" class="psm-spans"' if columns > 1 else ""
        row.append(f'<td role="cell" data-head="{html.escape(heads[at])}"{span}><div>{text}</div></td>')
        at += columns
    return f'<tr role="row"{data_attributes(data or {})}>{"".join(row)}</tr>'


def group(head: str, lines: Sequence[str], columns: int, anchor: str = "") -> str:
    """Lines under a heading of their own."""
    mark = f' id="{html.escape(anchor)}"' if anchor else ""
    title = f'<tr role="row"><th scope="rowgroup" role="rowheader" colspan="{columns}" class="psm-group"{mark}>{head}</th></tr>'
    return f'<tbody role="rowgroup">{title}{"".join(lines)}</tbody>'


def body(lines: Sequence[str]) -> str:
    """Lines without a heading."""
    return f'<tbody role="rowgroup">{"".join(lines)}</tbody>'


def table(label: str, caption: str, heads: Sequence[str], bodies: Sequence[str], css: str = "", anchor: str = "") -> str:
    """A whole table that scrolls sideways where it must. `label` names the region and is to be used once on a page."""
    mark = f' id="{html.escape(anchor)}"' if anchor else ""
    head = "".join(f'<th scope="col" role="columnheader">{name}</th>' for name in heads)
    return (f'<div class="psm-scroll" role="region" aria-label="{html.escape(label)}" tabindex="0">'
            f'<table role="table" class="psm-table psm-cards {css}"{mark}><caption>{caption}</caption>'
            f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>{"".join(bodies)}</table></div>')
