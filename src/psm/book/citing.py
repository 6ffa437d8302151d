"""How to cite the book and each chapter: what CITATION.cff says, as plain text and as BibTeX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from psm.book import badges
from psm.book.chapters import Chapter
from psm.errors import UsageError


@dataclass(frozen=True)
class Citation:
    """What CITATION.cff says of the book."""

    title: str
    authors: tuple[str, ...]
    version: str
    url: str


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
                    cff.get("url") or cff.get("repository-code") or "")


def _author(entry: Mapping[str, str]) -> str:
    return entry.get("name") or ", ".join(part for part in (entry.get("family-names"), entry.get("given-names")) if part)


def commit_text(record: Mapping[str, Any]) -> str:
    """The commit, shortened, and whether files differed from it."""
    if not record.get("commit"):
        return "outside a git repository"
    return record["commit"][:10] + (" with uncommitted changes" if record.get("dirty") else "")


def how_to_cite(citation: Citation, chapter: Chapter, record: Mapping[str, Any]) -> str:
    """Markdown section with a plain reference and its BibTeX."""
    year = record["finished_at"][:4]
    where = f"chapter {chapter.name}, {record['scale']} scale, commit {commit_text(record)}"
    url = f" {citation.url}" if citation.url else ""
    authors = "; ".join(citation.authors)
    plain = f"{authors} ({year}). {chapter.title}. In *{citation.title}*, version {citation.version}: {where}.{url}"
    fields = {"author": " and ".join(f"{{{a}}}" if "," not in a else a for a in citation.authors), "title": f"{{{badges.plain(chapter.title)}}}",
              "booktitle": f"{{{citation.title}}}", "year": year, "edition": f"version {citation.version}", "note": where, "url": citation.url}
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    bibtex = "\n".join([f"@incollection{{psm-{chapter.name}-{year},", *lines, "}"])
    return f"## How to cite this chapter\n\n{plain}\n\n```bibtex\n{bibtex}\n```"
