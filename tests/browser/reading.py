"""Built pages read as text: where their links lead, what they would fetch, and what their pictures say."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHING = {"script": ("src",), "img": ("src", "srcset"), "iframe": ("src",), "source": ("src", "srcset"), "video": ("src", "poster"), "audio": ("src",),
            "embed": ("src",), "object": ("data",), "track": ("src",), "image": ("href", "xlink:href"), "use": ("href", "xlink:href"), "input": ("src",)}
LINKS_THAT_FETCH = {"stylesheet", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload", "icon", "apple-touch-icon", "manifest"}
OUTSIDE = re.compile(r"^\s*(https?:)?//", re.I)
IN_STYLE = re.compile(r"(?:url\(\s*['\"]?|@import\s+['\"])((?:https?:)?//[^'\")\s]+)", re.I)


@dataclass
class Page(HTMLParser):
    """One built page."""

    links: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    twice: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    _inside: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note what one element links to, fetches and says."""
        given = {name: value or "" for name, value in attributes}
        self._inside.append(tag)
        if given.get("id"):
            (self.twice.append if given["id"] in self.ids else self.ids.add)(given["id"])
        if tag == "a" and "name" in given:
            self.ids.add(given["name"])
        if tag in ("a", "area") and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and LINKS_THAT_FETCH & set(given.get("rel", "").lower().split()):
            self.fetched.append(given.get("href", ""))
        self.fetched += [given[name] for name in FETCHING.get(tag, ()) if given.get(name)]
        self.fetched += IN_STYLE.findall(given.get("style", ""))
        hidden = given.get("aria-hidden") == "true" or given.get("role") in ("presentation", "none")
        named = given.get("alt", "").strip() if tag == "img" else given.get("aria-label", "").strip() or given.get("aria-labelledby", "").strip()
        if (tag == "img" or (tag == "svg" and given.get("role") == "img")) and not named and not hidden:
            self.silent.append(f"{tag} {given.get('src', '')[:60]} {given.get('class', '')}".strip())

    def handle_endtag(self, tag: str) -> None:
        """Leave an element."""
        if tag in self._inside:
            del self._inside[len(self._inside) - 1 - self._inside[::-1].index(tag):]

    def handle_data(self, data: str) -> None:
        """Styles that fetch, and the page's title."""
        if self._inside[-1:] == ["style"]:
            self.fetched += IN_STYLE.findall(data)
        if self._inside[-1:] == ["title"] and "svg" not in self._inside:
            self.titles.append(data)

    @property
    def outside(self) -> list[str]:
        """What the page would fetch from another place."""
        return [address for address in self.fetched if OUTSIDE.match(address)]


@lru_cache(maxsize=None)
def read(path: Path) -> Page:
    """Parse a built page."""
    page = Page()
    page.feed(path.read_text())
    page.close()
    return page


def pages_of(folder: Path) -> list[str]:
    """Names of the site's pages, from its top. Templates that the theme leaves in _static are none."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))
    return sorted(name for name in found if not name.startswith("_static/"))


def dead_links(folder: Path, name: str) -> list[str]:
    """Links of a page that lead to no file of the site or to no place on that page."""
    return [link for link in dict.fromkeys(read(folder / name).links) if not _leads_somewhere(folder, name, link)]


def _leads_somewhere(folder: Path, name: str, link: str) -> bool:
    address = urlsplit(link)
    if address.scheme or link.startswith("//"):
        return True
    target = folder / name
    if address.path:
        target = Path(os.path.normpath(folder / Path(name).parent / unquote(address.path)))
        if target.is_dir():
            target /= "index.html"
        if not target.is_file() or not target.is_relative_to(folder):
            return False
    if not address.fragment or target.suffix != ".html":
        return True
    return unquote(address.fragment) in read(target).ids


def styles_that_fetch(folder: Path) -> list[str]:
    """Addresses elsewhere that the site's style sheets name."""
    return [f"{path.relative_to(folder)}: {address}" for path in sorted(folder.rglob("*.css")) for address in IN_STYLE.findall(path.read_text())]
