"""What a reader does with the book as a whole: searching, switching between light and dark, filtering the ledger."""

from __future__ import annotations

import re

import pytest
from looking import Seen, tab, visit
from reading import pages_of, read


def chapters(folder) -> dict[str, str]:
    """Titles of the pages that carry a verdict, by page."""
    with_verdict = [name for name in pages_of(folder) if 'class="psm-verdicts"' in (folder / name).read_text()]
    return {name: re.split(r"\s+[—–]\s+", read(folder / name).titles[0].strip())[0] for name in with_verdict}


@pytest.fixture
def page(browser, site):
    """A tab; what went wrong in it fails the test."""
    seen = Seen()
    opened = tab(browser, site, seen)
    yield opened
    opened.context.close()
    assert (seen.console, seen.failed, seen.outside) == ([], [], [])


def results(page, site: str, words: str):
    """What the search page lists for `words`, once it has finished."""
    visit(page, f"{site}search.html?q={words.replace(' ', '+')}")
    page.wait_for_function("() => /found|did not match/i.test(document.querySelector('#search-results')?.innerText || '')")
    return page.locator("#search-results ul.search li a").first, page.locator("#search-results ul.search li")


def test_a_claim_is_found_by_its_name(page, site, folder):
    titles = chapters(folder)
    assert titles
    lost = []
    for name, title in titles.items():
        first, found = results(page, site, title)
        addresses = [link.get_attribute("href").split("?")[0].split("#")[0] for link in found.locator("a:first-child").all()[:3]]
        if name not in addresses:
            lost.append(f"{title!r} gives {addresses}, not {name}")
    assert lost == []


def test_a_result_of_the_search_leads_to_its_page(page, site, folder):
    name, title = next(iter(chapters(folder).items()))
    first, _ = results(page, site, title)
    first.click()
    page.wait_for_load_state("load")
    assert page.url.startswith(site) and "search.html" not in page.url
    assert page.locator("h1").first.inner_text().strip()


def test_a_search_for_nothing_known_says_so(page, site):
    _, found = results(page, site, "xylophonequartz")
    assert found.count() == 0


def test_the_switch_changes_the_theme_and_is_remembered(page, site, folder):
    name = next(n for n in pages_of(folder) if "psm-dark" in (folder / n).read_text())
    visit(page, site + name)
    page.evaluate("localStorage.clear()")
    context = page.context.browser.new_context(color_scheme="light")
    try:
        fresh = context.new_page()
        visit(fresh, site + name)
        themes = [fresh.evaluate("document.documentElement.dataset.theme")]
        paints = [fresh.evaluate("getComputedStyle(document.body).backgroundColor")]
        switch = fresh.locator("button.theme-switch-button:visible").first
        for _ in range(3):
            switch.click()
            themes.append(fresh.evaluate("document.documentElement.dataset.theme"))
            paints.append(fresh.evaluate("getComputedStyle(document.body).backgroundColor"))
            if themes[-1] == "dark":
                break
        assert themes[0] == "light" and themes[-1] == "dark" and paints[0] != paints[-1]
        light, dark = fresh.locator("img.psm-light").first, fresh.locator("img.psm-dark").first
        assert dark.is_visible() and not light.is_visible()
        fresh.reload()
        assert fresh.evaluate("document.documentElement.dataset.theme") == "dark"
    finally:
        context.close()


def test_the_ledger_can_be_filtered(page, site, folder):
    """Every choice of a `form[data-psm-filter]` shows the lines that it names and no others, and a click brings all of them back."""
    name = next(n for n in pages_of(folder) if "data-psm-filter" in (folder / n).read_text())
    visit(page, site + name)
    form = page.locator("form[data-psm-filter]").first
    lines = f"#{form.get_attribute('data-psm-filter')} tbody tr[data-verdict]"
    every = page.locator(f"{lines}:visible").count()
    assert form.is_visible() and every > 1
    narrowed = []
    for control in form.locator("select").all():
        field = control.get_attribute("name")
        for value in [option.get_attribute("value") for option in control.locator("option").all()][1:]:
            control.select_option(value)
            shown = page.locator(f"{lines}:visible")
            assert {line.get_attribute(f"data-{field}") for line in shown.all()} == {value}
            assert str(shown.count()) in form.locator("output").inner_text()
            narrowed.append(shown.count())
        form.locator("button[type=reset]").click()
        assert page.locator(f"{lines}:visible").count() == every
    assert min(narrowed) < every
