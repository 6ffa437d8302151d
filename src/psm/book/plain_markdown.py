"""Chapter text for places that know no MyST, such as a repository's web pages: roles, directives and markers as plain Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from psm.book.bibliography import cited
from psm.book.fillers import MARKER

_ROLE = re.compile(r"\{([a-z][\w:+-]*)\}`([^`]+)`")
_OPEN = re.compile(r"^(`{3,}|:{3,})\{([\w:-]+)\}[ \t]*(.*)$")
_TARGET = re.compile(r"^\([\w:.-]+\)=[ \t]*$", re.M)


@lru_cache(maxsize=4)
def _authors_and_years(bibliography: Path, _modified: int) -> Mapping[str, tuple[str, str, str]]:
    """Of every work: its authors as a text names them, its year, and its address."""
    from pybtex.database import parse_file
    from pybtex.richtext import Text

    found = {}
    for key, entry in parse_file(str(bibliography)).entries.items():
        names = [str(Text.from_latex(" ".join(person.prelast_names + person.last_names))) for person in entry.persons.get("author", ())]
        short = names[0] + " et al." if len(names) > 2 else " and ".join(names)
        found[key] = (short, entry.fields.get("year", ""), entry.fields.get("url", ""))
    return found


def citer(bibliography: Path) -> Callable[[str, str], str]:
    """How a citation reads: from the role's name and its text to `(Doe et al., 2026)` or, for cite:t, `Doe et al. (2026)`."""
    works = _authors_and_years(bibliography, bibliography.stat().st_mtime_ns) if bibliography.is_file() else {}

    def cite(role: str, text: str) -> str:
        shown = []
        for key in cited(f"{{cite}}`{text}`"):
            authors, year, url = works.get(key, (key, "", ""))
            words = f"{authors} ({year})" if role == "cite:t" else f"{authors}, {year}".rstrip(", ")
            shown.append(f"[{words}]({url})" if url else words)
        return ", ".join(shown) if role == "cite:t" else f"({'; '.join(shown)})"

    return cite


def plain(text: str, value: Callable[[str], str], marker: Callable[[str, str], str], cite: Callable[[str, str], str]) -> str:
    """MyST as plain Markdown.

    `value` gives the text of a number that the chapter bound, `marker` what stands for a marker, `cite` what for a citation.
    """
    def role(match: re.Match[str]) -> str:
        name, content = match.groups()
        if name.startswith("cite"):
            return cite(name, content)
        if name == "glue:text":
            return value(content)
        return re.sub(r"\s*<[^<>]*>$", "", content)      # {doc}`words <page>`: the words

    text = _TARGET.sub("", text)
    text = MARKER.sub(lambda match: marker(*match.groups()), text)
    return _ROLE.sub(role, "\n".join(_without_directives(text.split("\n")))).strip("\n")


def _without_directives(lines: list[str]) -> list[str]:
    """Every directive as a quotation: its title in bold, then what it holds."""
    done: list[str] = []
    at = 0
    while at < len(lines):
        opening = _OPEN.match(lines[at])
        if opening is None:
            done.append(lines[at])
            at += 1
            continue
        fence, name, title = opening.groups()
        end = next((i for i in range(at + 1, len(lines)) if re.fullmatch(rf"{fence[0]}{{{len(fence)},}}\s*", lines[i])), len(lines))
        done += _quotation(name, title, lines[at + 1:end])
        at = end + 1
    return done


def _quotation(name: str, title: str, body: list[str]) -> list[str]:
    if name.endswith("-end"):
        return []
    if body and body[0].strip() == "---" and "---" in (line.strip() for line in body[1:]):
        body = body[[line.strip() for line in body].index("---", 1) + 1:]
    while body and re.match(r"^:[\w-]+:", body[0]):
        body = body[1:]
    inner = "\n".join(_without_directives(body)).strip("\n").split("\n")
    shown = [f"**{title.strip() or name.removesuffix('-start').replace('-', ' ').capitalize()}**", *([""] + inner if inner != [""] else [])]
    return [f"> {line}".rstrip() for line in shown]
