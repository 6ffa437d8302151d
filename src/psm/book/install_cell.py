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

if importlib.util.find_spec("psm") is None:
    import importlib.metadata
    import pathlib
    import subprocess
    import sys

    book = pathlib.Path("psm-book").resolve()
    packages = [{packages}]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if not book.exists():
        subprocess.run(["git", "clone", "--quiet", "{address}", str(book)], check=True)
    subprocess.run(["git", "-C", str(book), "checkout", "--quiet", "{ref}"], check=True)
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
_NO_ADDRESS = '''\
# Where the book is installed, this does nothing. Elsewhere it says what to do: this notebook was made from a copy of the book
# whose repository has no public address, so that it cannot fetch the book itself.
import importlib.util

if importlib.util.find_spec("psm") is None:
    raise ModuleNotFoundError("the package psm is not installed: in the book's folder say  pip install -c constraints.txt -e .  "
                              "(with the Python of this notebook), then run this cell again")
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
    """The cell's code, for the repository at `address` in the state `ref`; where either is not known, it only says what to do."""
    if not address or not ref or not (root / "pyproject.toml").is_file():
        return _NO_ADDRESS
    if re.search(r"[\"'\\\s]", address + ref):
        raise UsageError(f"the repository's address '{address}' holds a quotation mark, a backslash or a space: correct it in CITATION.cff")
    listed = ", ".join(f'"{name}"' for name in packages(root))
    return _CELL.format(packages=listed, address=address, ref=ref)
