"""The book bound as one document to print: the built pages in reading order, with a title page, contents and links that stay inside."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from bs4 import BeautifulSoup, Tag

# What a sheet of paper has no use for: marks to click, downloads, drawings for dark screens, and code that the page keeps folded.
NOT_PRINTED = ("a.headerlink, a.psm-data, img.psm-dark, script, style.psm-screen, button, select, input, form, dialog, template, [data-psm-filter], "
               ".psm-noprint, .d-print-none, details.hide, .cell.tag_injected-parameters")
STYLES = ("pygments.css", "sphinx-design.min.css", "psm.css", "ledger.css", "print.css")
MATHS = '<script>window.MathJax = {options: {processHtmlClass: "math"}}</script>'    # pages say of the rest that it holds none
REFERRING = ("for", "headers", "aria-labelledby", "aria-describedby", "aria-controls")


@dataclass(frozen=True)
class Leaf:
    """One page of the book in print: its address on the site without suffix, and the part that it stands in."""

    name: str
    part: str | None


@dataclass(frozen=True)
class TitlePage:
    """What the title page says."""

    title: str
    authors: Sequence[str]
    edition: str        # one line of HTML: version, scale, date, commit
    url: str


def leaves(root: Path) -> list[Leaf]:
    """The pages in reading order, from `_toc.yml`."""
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    found = [Leaf(_plain(toc["root"]), None)]
    for part in toc.get("parts", [toc]):
        found += [Leaf(name, part.get("caption")) for name in _below(part.get("chapters", ()))]
    return found


def _plain(name: str) -> str:
    return Path(name).with_suffix("").as_posix() if name.endswith((".md", ".ipynb")) else name


def _below(entries: Sequence[Mapping]) -> list[str]:
    return [name for entry in entries for name in [_plain(entry["file"]), *_below(entry.get("sections", ()))] if "file" in entry]


def slug(name: str) -> str:
    """The anchor of a page in the bound book."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name)


def bind(site: Path, pages: Sequence[Leaf], title: TitlePage, folder: str, numbers: Mapping[str, int] | None = None) -> str:
    """The whole book as one page of HTML, to be printed from a file whose way to `site` is `folder`.

    `numbers` gives the sheet that each anchor is on; without it the contents name no page numbers.
    """
    known = {leaf.name for leaf in pages}
    body, contents, part = [], [], None
    for leaf in pages:
        article = _article(site, leaf, known, folder, title.url)
        if leaf.part and leaf.part != part:
            anchor = f"part-{slug(leaf.part)}"
            body.append(f'<h1 class="book-part" id="{anchor}">{html.escape(leaf.part)}</h1>')
            contents.append(_line("part", anchor, leaf.part, numbers))
        part = leaf.part
        if part:
            _demote(article)
        heading = article.find(["h1", "h2"])
        contents.append(_line("chapter" if part else "opening", slug(leaf.name), heading.get_text(" ", strip=True) if heading else leaf.name, numbers))
        wide = " book-wide" if article.select_one("table.psm-wide") else ""
        body.append(f'<section class="book-page{wide}" id="{slug(leaf.name)}">{article.decode_contents()}</section>')
    sheets = "".join(f'<link rel="stylesheet" href="{folder}/_static/{name}">' for name in STYLES if (site / "_static" / name).is_file())
    whole = "\n".join(body)
    maths = f'{MATHS}<script defer src="{folder}/_static/mathjax/tex-chtml.js"></script>' if 'class="math' in whole else ""
    return (f'<!DOCTYPE html>\n<html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{html.escape(title.title)}</title>{sheets}{maths}</head>\n'
            f'<body class="psm-book">\n{_title_page(title)}\n<nav class="book-contents"><p class="book-contents-title">Contents</p>'
            f"<ul>{''.join(contents)}</ul></nav>\n{whole}\n</body></html>\n")


def _title_page(title: TitlePage) -> str:
    where = f'<p><a href="{html.escape(title.url)}">{html.escape(title.url)}</a></p>' if title.url else ""
    return (f'<section class="book-title"><p class="book-name">{html.escape(title.title)}</p><p>{html.escape("; ".join(title.authors))}</p>'
            f"{title.edition}{where}<p class=\"book-note\">The same pages as on the web, without what only a screen can do: the data behind the figures, "
            "code that a page keeps folded and drawings for dark screens are left out here. Text and figures: CC BY 4.0. Code: MIT.</p></section>")


def _line(kind: str, anchor: str, text: str, numbers: Mapping[str, int] | None) -> str:
    number = f'<span class="book-number">{numbers[anchor]}</span>' if numbers and anchor in numbers else ""
    return f'<li class="book-{kind}"><a href="#{anchor}"><span>{html.escape(text)}</span>{number}</a></li>'


def _article(site: Path, leaf: Leaf, known: set[str], folder: str, url: str) -> Tag:
    """One page's text, ready to stand among the others: nothing for screens only, every anchor its own, every link leading somewhere."""
    soup = BeautifulSoup((site / f"{leaf.name}.html").read_text(), "html.parser")
    article = soup.select_one("article.bd-article") or soup.body
    for element in article.select(NOT_PRINTED):
        element.decompose()
    for cell in article.select("div.cell, div.cell_output, div.cell_input"):
        if not cell.decomposed and not cell.get_text(strip=True) and not cell.select_one("img, svg, table, figure"):
            cell.decompose()
    for details in article.select("details"):
        details["open"] = ""
    for element in article.select("[style]"):
        # a picture's least width is for phones that scroll; paper does not
        element["style"] = re.sub(r"min-width:[^;]*;?", "", element["style"])
    _prefix(article, slug(leaf.name))
    for link in article.select("a[href]"):
        _relink(link, leaf, known, url)
    for picture in article.select("img[src]"):
        if not urlsplit(picture["src"]).scheme:
            picture["src"] = f"{folder}/{_from_top(leaf, picture['src'])}"
    return article


def _prefix(article: Tag, page: str) -> None:
    """Make every anchor of a page its own; drawings refer to their own parts and keep their names."""
    for element in article.select("[id]"):
        if element.name != "svg" and not element.find_parent("svg"):
            element["id"] = f"{page}--{element['id']}"
    for name in REFERRING:
        for element in article.select(f"[{name}]"):
            words = element[name] if isinstance(element[name], list) else element[name].split()
            element[name] = " ".join(f"{page}--{word}" for word in words)


def _from_top(leaf: Leaf, address: str) -> str:
    return os.path.normpath(os.path.join(os.path.dirname(leaf.name), unquote(address))).replace(os.sep, "/")


def _relink(link: Tag, leaf: Leaf, known: set[str], url: str) -> None:
    """Lead a link inside the book to its place in print; a link to a file goes to the site, or becomes plain text."""
    address = urlsplit(link["href"])
    if address.scheme in ("http", "https", "mailto"):
        return
    target = _from_top(leaf, address.path) if address.path else f"{leaf.name}.html"
    if not address.scheme and target.endswith(".html") and target.removesuffix(".html") in known:
        page = slug(target.removesuffix(".html"))
        link["href"] = f"#{page}--{unquote(address.fragment)}" if address.fragment else f"#{page}"
        return
    del link["href"]
    if not address.scheme and url and not target.startswith(".."):
        link["href"] = f"{url.rstrip('/')}/{target}"


def _demote(article: Tag) -> None:
    """Put a page's headings one level down, below the title of its part."""
    for level in range(5, 0, -1):
        for heading in article.find_all(f"h{level}"):
            heading.name = f"h{level + 1}"
