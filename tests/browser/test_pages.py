"""Every built page, as a reader meets it."""

from __future__ import annotations

from looking import PHONE, WIDE
from reading import dead_links, pages_of, read, styles_that_fetch


def test_no_error_in_the_console(name, seen):
    assert seen.console == []


def test_no_request_fails(name, seen):
    assert seen.failed == []


def test_nobody_else_is_asked(name, seen, folder):
    assert seen.outside == [] and read(folder / name).outside == []


def test_accessible_in_light(name, seen):
    assert seen.axe["light"] == []


def test_accessible_in_dark(name, seen):
    assert seen.axe["dark"] == []


def test_maths_is_set(name, seen):
    assert seen.unrendered == []


def test_the_verdict_is_on_the_first_screen(name, seen, folder):
    if 'class="psm-verdicts"' in (folder / name).read_text() and "psm-pill" in (folder / name).read_text():
        for screen, size in (("wide", WIDE), ("phone", PHONE)):
            edge = seen.badge[screen]
            assert edge is None or edge <= size["height"], f"on the {screen} screen the verdict ends at {edge} px, the screen at {size['height']}"


def test_no_sideways_scrolling_on_a_phone(name, seen):
    assert seen.overflow == []


def test_links_and_anchors_lead_somewhere(name, folder):
    assert dead_links(folder, name) == []


def test_no_id_stands_twice(name, folder):
    assert read(folder / name).twice == []


def test_figures_say_what_they_show(name, folder):
    assert read(folder / name).silent == []


def test_style_sheets_ask_nobody(folder):
    assert styles_that_fetch(folder) == []


def test_pages_have_titles_of_their_own(folder):
    titles = {}
    for name in pages_of(folder):
        titles.setdefault(read(folder / name).titles[0].strip(), []).append(name)
    assert {title: names for title, names in titles.items() if len(names) > 1} == {}
