"""How to cite the book and each chapter: what CITATION.cff says, as plain text and as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from psm.book import badges, repository
from psm.book.chapters import Chapter
from psm.errors import UsageError


@dataclass(frozen=True)
class Citation:
    """What CITATION.cff says of the book."""

    title: str
    authors: tuple[str, ...]
    version: str
    url: str
    released: str = ""     # day of its release, as 2026-03-02


def read_citation(root: Path) -> Citation:
    """Read CITATION.cff. Raises UsageError that names the field that is missing."""
    path = root / "CITATION.cff"
    try:
        cff = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise UsageError(f"{path.name} does not exist: the pages say how to cite the book from it") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path.name} is not valid YAML: {' '.join(str(error).split())}") from None
    for field in ("title", "authors", "version"):
        if not cff.get(field):
            raise UsageError(f"{path.name} has no '{field}': the pages say how to cite the book from it")
    return Citation(cff["title"], tuple(_author(a) for a in cff["authors"]), str(cff["version"]),
                    cff.get("url") or repository.address(root), str(cff.get("date-released") or ""))


def _author(entry: Mapping[str, str]) -> str:
    return entry.get("name") or ", ".join(part for part in (entry.get("family-names"), entry.get("given-names")) if part)


def commit_text(record: Mapping[str, Any]) -> str:
    """The commit, shortened, and whether files differed from it."""
    if not record.get("commit"):
        return "outside a git repository"
    return record["commit"][:10] + (" with uncommitted changes" if record.get("dirty") else "")


def how_to_cite(citation: Citation, chapter: Chapter, record: Mapping[str, Any]) -> str:
    """Markdown section with a plain reference to a chapter and its BibTeX."""
    year = record["finished_at"][:4]
    where = f"chapter {chapter.name}, {record['scale']} scale, executed on {badges.day(record['finished_at'])}, commit {commit_text(record)}"
    plain = (f"{'; '.join(citation.authors)} ({year}). {chapter.title}. In *{citation.title}*, version {citation.version}: "
             f"{where}.{_address(citation)}")
    bibtex = _bibtex("incollection", f"psm-{chapter.name}-{year}", {
        "author": _bibtex_authors(citation), "title": f"{{{_tex(badges.plain(chapter.title))}}}", "booktitle": f"{{{_tex(citation.title)}}}",
        "year": year, "edition": f"version {citation.version}", "note": _tex(where), "url": citation.url})
    return f"## How to cite this chapter\n\n{plain}\n\n```bibtex\n{bibtex}\n```"


def cite_book(citation: Citation, records: Sequence[Mapping[str, Any]], scale: str) -> str:
    """Markdown with a plain reference to the whole book and its BibTeX; its date is that of the release, or else of the last run."""
    day = citation.released or max((record["finished_at"] for record in records), default="")[:10]
    commits = " and ".join(dict.fromkeys(commit_text(record) for record in records))
    where = f"{scale} scale" + (f", commit {commits}" if commits else "")
    when = f" ({day[:4]})" if day else ""
    dated = f" of {badges.day(day)}" if day else ""
    plain = f"{'; '.join(citation.authors)}{when}. *{citation.title}*. Version {citation.version}{dated}, {where}.{_address(citation)}"
    bibtex = _bibtex("misc", f"psm-{day[:4] or citation.version}", {
        "author": _bibtex_authors(citation), "title": f"{{{_tex(citation.title)}}}", "year": day[:4], "month": str(int(day[5:7])) if day else "",
        "howpublished": "Executable book", "edition": f"version {citation.version}", "note": _tex(f"Version {citation.version}, {where}"),
        "url": citation.url})
    return f"{plain}\n\n```bibtex\n{bibtex}\n```"


def _address(citation: Citation) -> str:
    return f" {citation.url}" if citation.url else ""


def _bibtex(kind: str, key: str, fields: Mapping[str, str]) -> str:
    """One BibTeX entry; fields without a value are left out."""
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def _bibtex_authors(citation: Citation) -> str:
    """The authors as BibTeX has them: a name with a comma is a person's, another one is kept whole."""
    return " and ".join(_tex(author) if "," in author else f"{{{_tex(author)}}}" for author in citation.authors)


def _tex(text: str) -> str:
    """Text with LaTeX's special characters escaped; braces, which could end a field early, become round."""
    text = text.replace("\\", "/").replace("{", "(").replace("}", ")")
    return re.sub(r"([&%$#_])", r"\\\1", text).replace("~", r"\textasciitilde ").replace("^", r"\textasciicircum ")
