"""Where a chapter's numbers come from: the box at a chapter's end, and the line that names the edition."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from psm.book import badges
from psm.book.citing import Citation, commit_text
from psm.figures import data_uri

Record = Mapping[str, Any]


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def mapping(values: Mapping[str, Any]) -> str:
    """Names and values in one line, escaped."""
    return ", ".join(f"{html.escape(str(k)).replace('_', ' ')} {html.escape(str(v))}" for k, v in values.items())


def _real_model(model: Mapping[str, str]) -> str:
    """One real model that the chapter used: its name, its revision, what kind it is and where it was computed."""
    name, revision = (f"<code>{html.escape(model[key])}</code>" for key in ("name", "revision"))
    return f"{name} revision {revision} ({html.escape(model['kind'])}, {html.escape(model['device'])}): {html.escape(model['title'])}"


def box(record: Record) -> str:
    """The provenance box: one block of HTML with everything needed to run the chapter again."""
    models = "".join(f"<li><code>{html.escape(m['id'])}</code> <code title=\"SHA-256 {html.escape(m['sha256'])}\">"
                     f"{html.escape(m['sha256'][:12])}</code></li>" for m in record["base_models"])
    real = "".join(f"<li>{_real_model(m)}</li>" for m in record.get("real_models", []))
    other = {k: v for k, v in record["parameters"].items() if k not in ("scale", "seeds")}
    lines = {
        "Scale": html.escape(record["scale"]),
        "Seeds": html.escape(", ".join(map(str, record["seeds"]))),
        "Other parameters": mapping(other),
        "Commit": html.escape(commit_text(record)),
        "Executed": f"{badges.day(record['started_at'])}, {duration(record['seconds'])}, {record['cells']} cells, peak memory "
                    f"{record['peak_memory_mb']:.0f} MB",
        "Hardware": mapping(record["hardware"]) + f", {record['threads']} thread{'s' if record['threads'] != 1 else ''}",
        "Versions": mapping(record["versions"]),
        "Base models": f"<ul>{models}</ul>" if models else "none",
        "Real models": f"<ul>{real}</ul>" if real else "",
        "Source": f"<code>{html.escape(record['source_sha256'][:12])}</code>, run <code>{html.escape(record['key'])}</code>",
    }
    items = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in lines.items() if value)
    whole = data_uri("application/json", json.dumps(record, indent=1, sort_keys=True))
    link = f'<a download="{html.escape(record["chapter"])}-record.json" href="{whole}">The whole record (JSON)</a>'
    return (f'<aside class="psm-provenance" aria-label="Provenance"><details open><summary>Provenance of this page</summary>'
            f"<dl>{items}</dl><p>{link}</p></details></aside>")


def edition(citation: Citation, records: Sequence[Record], scale: str) -> str:
    """One line that says which state of the book these pages show."""
    when = f", executed {badges.day(max(r['started_at'] for r in records))}" if records else ""
    commits = " and ".join(dict.fromkeys(commit_text(r) for r in records))
    return (f'<p class="psm-edition">Version {html.escape(citation.version)}, {html.escape(scale)} scale{when}'
            f"{f', commit {html.escape(commits)}' if commits else ''}.</p>")
