"""The first cell of a kept notebook: it makes the book's package importable where it is not, and does nothing where it is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from psm.errors import UsageError

# What executes, stages and builds the book. No chapter's cell needs it, and a notebook that is open elsewhere runs on its
# own kernel, which must not be replaced under it.
BOOK_ONLY = ("jupyter-book", "sphinx-tippy", "sphinx-mathjax-offline", "papermill", "jupytext", "nbformat", "nbclient", "ipykernel", "snakemake")

_CELL = '''\
# Where the book is installed, as on Binder, this does nothing. Elsewhere, as on Colab, it fetches the book as it was when
# this notebook was made, and installs what the chapters import in the versions of its lock file, constraints.txt.
import importlib.util

repository = "{address}"    # where the book can be cloned from
commit = "{ref}"

if importlib.util.find_spec("psm") is None:
    import importlib.metadata
    import pathlib
    import subprocess
    import sys

    if not repository:
        raise ModuleNotFoundError("the package psm is not installed, and when this notebook was made the book had no public address: "
                                  "write the address of its repository into this cell, or install the book yourself (in its folder: "
                                  "pip install -c constraints.txt -e .); then run this cell again")
    book = pathlib.Path("psm-book").resolve()
    packages = [{packages}]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if not book.exists():
        subprocess.run(["git", "clone", "--quiet", repository, str(book)], check=True)
    subprocess.run(["git", "-C", str(book), "checkout", "--quiet", commit or "HEAD"], check=True)
    subprocess.run([*pip, "-c", "constraints.txt", *packages], cwd=book, check=True)
    subprocess.run([*pip, "--no-deps", "-e", "."], cwd=book, check=True)
    sys.path.insert(0, str(book / "src"))
    importlib.invalidate_caches()
    stale = [name for name in ("numpy", "pandas", "matplotlib", "torch")
             if name in sys.modules and sys.modules[name].__version__ != importlib.metadata.version(name)]
    if stale:
        raise RuntimeError(f"installed; now restart the session (in Colab: Runtime, Restart session) and run all cells again, "
                           f"because {{', '.join(stale)}} was loaded in another version before")
'''


def packages(root: Path) -> tuple[str, ...]:
    """What a chapter's cells need, by pyproject.toml. Raises UsageError when the lock file does not pin one of them."""
    declared = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    names = [re.match(r"[\w.-]+", line)[0] for line in declared]
    pinned = {line.partition("==")[0].lower() for line in (root / "constraints.txt").read_text().splitlines() if "==" in line}
    wanted = tuple(name for name in names if name not in BOOK_ONLY)
    if missing := [name for name in wanted if name.lower() not in pinned and name.lower().replace("_", "-") not in pinned]:
        raise UsageError(f"constraints.txt does not pin {', '.join(missing)}: the install cell of the notebooks takes its versions from there")
    return wanted


def source(root: Path, address: str, ref: str) -> str:
    """The cell's code, for the repository at `address` in the state `ref`; without an address it asks its reader for one."""
    if re.search(r"[\"'\\\s]", address + ref):
        raise UsageError(f"the repository's address '{address}' holds a quotation mark, a backslash or a space: correct it in CITATION.cff")
    listed = ", ".join(f'"{name}"' for name in packages(root)) if (root / "pyproject.toml").is_file() else ""
    return _CELL.format(packages=listed, address=address, ref=ref)
