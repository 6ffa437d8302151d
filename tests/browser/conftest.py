"""Built pages in a real browser: `make check-pages` runs these. A plain `pytest` leaves them alone, for they need built pages.

PSM_PAGES is the folder of the pages (default: _build/html), PSM_CHROMIUM the browser.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGES = Path(os.environ.get("PSM_PAGES") or HERE.parents[1] / "_build" / "html").resolve()
collect_ignore_glob = [] if os.environ.get("PSM_PAGES") else ["test_*.py"]
sys.path.insert(0, str(HERE))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `name` runs for every page; the tests of one page stay in one process, which opens it once."""
    if "name" in metafunc.fixturenames:
        from reading import pages_of

        found = pages_of(PAGES)
        if not (PAGES / "index.html").is_file():
            raise pytest.UsageError(f"no pages in {PAGES}: say make book first, or set PSM_PAGES")
        metafunc.parametrize("name", [pytest.param(name, marks=pytest.mark.xdist_group(name), id=name.removesuffix(".html")) for name in found])


@pytest.fixture(scope="session")
def folder() -> Path:
    """Where the built pages lie."""
    return PAGES


@pytest.fixture(scope="session")
def browser():
    """One browser per process."""
    from psm.book.browser import opened

    with opened() as started:
        yield started


@pytest.fixture(scope="session")
def site() -> str:
    """Address of the built pages."""
    from looking import served

    with served(PAGES) as address:
        yield address


@pytest.fixture(scope="session")
def _looked() -> dict:
    return {}


@pytest.fixture
def seen(name, browser, site, _looked):
    """What was seen on the page `name`, which is opened once for all its tests."""
    from looking import look

    if name not in _looked:
        _looked[name] = look(browser, site, name)
    return _looked[name]
