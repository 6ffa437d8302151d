"""What a reader's browser makes of a page: its errors, its requests, its accessibility and where things stand on the screen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
GRAVE = ("serious", "critical")
AXE = {"reporter": "no-passes", "preload": False}     # preloading asks for style sheets at addresses that are not there

# The first verdict's lower edge, against the height of the screen.
BADGE = """() => { const pill = document.querySelector('section.psm-verdicts .psm-pill');
  return pill ? Math.round(pill.getBoundingClientRect().bottom) : null }"""
# Whether the page scrolls sideways, and what sticks out of the screen without lying in a box that scrolls by itself.
OVERFLOW = """() => { const wide = document.documentElement.clientWidth, page = document.documentElement.scrollWidth;
  if (page <= wide) return [];
  const held = e => { for (let p = e.parentElement; p && p !== document.body; p = p.parentElement)
      if (getComputedStyle(p).overflowX !== 'visible') return true; return false };
  const out = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > wide + 1 && !held(e));
  return [`${page} px wide on a screen of ${wide}`, ...out.slice(0, 5).map(e => e.tagName.toLowerCase() + (e.id ? '#' + e.id : '') +
    (typeof e.className === 'string' && e.className ? '.' + e.className.trim().split(/\\s+/).join('.') : ''))] }"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server on this machine that gives out the files of `folder`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Seen:
    """What was seen on one page; lists are empty where all is well."""

    console: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    axe: dict[str, list[str]] = field(default_factory=dict)          # by theme
    badge: dict[str, int | None] = field(default_factory=dict)       # lower edge of the first verdict, by screen
    overflow: list[str] = field(default_factory=list)
    unrendered: list[str] = field(default_factory=list)              # maths that nobody set


def tab(browser, site: str, seen: Seen, theme: str = "light", screen: dict = WIDE):
    """A new tab that notes what goes wrong in it, in `seen`. Requests that leave `site` are noted and not let through."""
    context = browser.new_context(viewport=screen, reduced_motion="reduce")
    context.add_init_script(f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')")

    def pass_on(route) -> None:
        address = route.request.url
        if address.startswith((site, "data:", "blob:")):
            route.continue_()
        else:
            seen.outside.append(address)
            route.abort()

    def failed(request) -> None:
        # an address that the page itself gave up (a new page was opened) is no fault
        if request.url not in seen.outside and "ERR_ABORTED" not in (request.failure or ""):
            seen.failed.append(f"{request.url.removeprefix(site)}: {request.failure}")

    context.route("**/*", pass_on)
    page = context.new_page()
    page.on("console", lambda message: seen.console.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: seen.console.append(str(error)))
    page.on("requestfailed", failed)
    page.on("response", lambda answer: seen.failed.append(f"{answer.url.removeprefix(site)}: {answer.status}") if answer.status >= 400 else None)
    return page


def visit(page, address: str) -> None:
    """Open a page and wait until its scripts, fonts and maths have settled."""
    page.goto(address, wait_until="load")
    page.evaluate("async () => { await document.fonts.ready; if (window.MathJax?.startup?.promise) await window.MathJax.startup.promise }")


def violations(page) -> list[str]:
    """Serious and critical violations that axe finds on the page as it stands: rule, what it means, and where."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options=AXE).response["violations"]
    return [f"{entry['id']} ({entry['impact']}): {entry['help']}: {'; '.join(_place(node) for node in entry['nodes'][:4])}"
            + (f" and {len(entry['nodes']) - 4} more" if len(entry["nodes"]) > 4 else "")
            for entry in found if entry["impact"] in GRAVE]


def _place(node: dict[str, Any]) -> str:
    """Where a violation stands, and its colours where it is one of contrast."""
    data = next((check["data"] for check in node["any"] if check["id"] == "color-contrast" and check["data"]), None)
    colours = f" [{data['fgColor']} on {data['bgColor']}, {data['contrastRatio']}]" if data else ""
    return " ".join(map(str, node["target"])) + colours


def look(browser, site: str, name: str) -> Seen:
    """Everything the suite wants to know of the page `name` of `site`."""
    seen = Seen()
    page = tab(browser, site, seen)
    try:
        visit(page, site + name)
        seen.badge["wide"] = page.evaluate(BADGE)
        seen.unrendered = page.evaluate("() => [...document.querySelectorAll('.math')].filter(m => !m.querySelector('mjx-container')).map(m => m.textContent)")
        for theme in ("light", "dark"):
            page.evaluate("theme => { document.documentElement.dataset.theme = theme; document.documentElement.dataset.mode = theme }", theme)
            page.wait_for_timeout(50)
            seen.axe[theme] = violations(page)
        page.set_viewport_size(PHONE)
        page.wait_for_timeout(100)
        seen.badge["phone"] = page.evaluate(BADGE)
        seen.overflow = page.evaluate(OVERFLOW)
    finally:
        page.context.close()
    return seen
