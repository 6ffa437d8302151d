"""Every check of this suite finds the fault that it is for, on a page that has just this fault."""

from __future__ import annotations

import pytest
from looking import PHONE, WIDE, look, served
from reading import dead_links, pages_of, read, styles_that_fetch

SOUND = "<h1>A sound page</h1><p>Some words and <a href='other.html#here'>a link</a>.</p>"
BADGE = '<section class="psm-verdicts"><span class="psm-pill">supported</span></section>'
HEAD = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"><title>Planted</title>'
STYLE = "<style>body { background: #fff; color: #111 } html[data-theme=dark] body { background: #111; color: #eee } a { color: inherit }</style>"


def page(body: str, head: str = "") -> str:
    """A page whose only faults are those of `body` and `head`."""
    return f'<!DOCTYPE html><html lang="en"><head>{HEAD}{STYLE}{head}</head><body><main>{body}</main></body></html>'


PLANTED = {
    "sound": page(SOUND + BADGE + '<p><img alt="A red dot" src="data:image/gif;base64,R0lGODlhAQABAAAAACw="></p>'),
    "other": page("<h1>Another</h1><p id='here'>Here.</p>"),
    "console": page(SOUND + "<script>console.error('something broke')</script>"),
    "exception": page(SOUND + "<script>undefinedFunction()</script>"),
    "missing-file": page(SOUND + "<script src='missing.js'></script>"),
    "outside-script": page(SOUND, "<script src='https://cdn.example.org/x.js'></script>"),
    "outside-style": page(SOUND, "<style>@font-face { font-family: x; src: url(https://fonts.example.org/x.woff2) } h1 { font-family: x }</style>"),
    "outside-by-script": page(SOUND + "<script>fetch('https://tracker.example.org/seen')</script>"),
    "pale": page(SOUND + "<p style='color: #ccc; background: #fff'>Hard to read.</p>"),
    "pale-in-dark": page(SOUND + "<p class=p>Hard to read at night.</p>", "<style>html[data-theme=dark] .p { color: #333 }</style>"),
    "empty-head": page(SOUND + "<div role='list'><p>no item</p></div>"),
    "dead-link": page(SOUND + "<a href='nowhere.html'>gone</a>"),
    "dead-anchor": page(SOUND + "<a href='other.html#gone'>gone</a> <a href='#none'>gone</a>"),
    "no-alt": page(SOUND + "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>"),
    "empty-alt": page(SOUND + "<img alt=' ' src='data:image/gif;base64,R0lGODlhAQABAAAAACw='><svg role='img' width='9' height='9'></svg>"),
    "far-down": page(SOUND + "<div style='height: 2000px'></div>" + BADGE),
    "far-down-on-a-phone": page(SOUND + "<div class=gap></div>" + BADGE, "<style>@media (max-width: 500px) { .gap { height: 900px } }</style>"),
    "too-wide": page(SOUND + "<div id=wide style='width: 700px'>wide</div>"),
    "wide-in-a-box": page(SOUND + "<div style='overflow-x: auto' tabindex=0><div style='width: 700px'>wide</div></div>"),
    "twice": page(SOUND + "<p id='a'>one</p><p id='a'>two</p>"),
    "raw-maths": page(SOUND + "<span class='math'>\\(p(x)\\)</span>"),
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """The folder of the planted pages."""
    folder = tmp_path_factory.mktemp("planted")
    for name, text in PLANTED.items():
        (folder / f"{name}.html").write_text(text)
    return folder


@pytest.fixture(scope="module")
def look_at(browser, planted):
    """What is seen on a planted page."""
    with served(planted) as site:
        yield lambda name: look(browser, site, f"{name}.html")


pytestmark = pytest.mark.xdist_group("planted")


@pytest.mark.parametrize("fault", ["sound", "wide-in-a-box"])
def test_a_sound_page_passes_everything(look_at, planted, fault):
    seen = look_at(fault)
    assert (seen.console, seen.failed, seen.outside, seen.overflow, seen.unrendered, seen.axe) == ([], [], [], [], [], {"light": [], "dark": []})
    assert fault != "sound" or (seen.badge["wide"] < WIDE["height"] and seen.badge["phone"] < PHONE["height"])
    page = read(planted / f"{fault}.html")
    assert (dead_links(planted, f"{fault}.html"), page.outside, page.silent, page.twice) == ([], [], [], [])


@pytest.mark.parametrize(("fault", "says"), [("console", "something broke"), ("exception", "undefinedFunction")])
def test_an_error_in_the_console_is_seen(look_at, fault, says):
    assert any(says in message for message in look_at(fault).console)


def test_a_failed_request_is_seen(look_at):
    assert look_at("missing-file").failed == ["missing.js: 404"]


@pytest.mark.parametrize(("fault", "asked"), [("outside-script", "https://cdn.example.org/x.js"), ("outside-style", "https://fonts.example.org/x.woff2"),
                                             ("outside-by-script", "https://tracker.example.org/seen")])
def test_a_request_to_another_place_is_seen_and_not_let_through(look_at, planted, fault, asked):
    assert look_at(fault).outside == [asked]
    assert read(planted / f"{fault}.html").outside == ([] if fault == "outside-by-script" else [asked])


def test_too_little_contrast_is_seen_in_the_theme_that_has_it(look_at):
    light, dark = look_at("pale").axe["light"], look_at("pale-in-dark").axe
    assert len(light) == 1 and light[0].startswith("color-contrast (serious)") and "#cccccc on #ffffff" in light[0]
    assert dark["light"] == [] and len(dark["dark"]) == 1 and ".p" in dark["dark"][0]


def test_a_role_without_its_children_is_seen(look_at):
    assert [line.split()[0] for line in look_at("empty-head").axe["light"]] == ["aria-required-children"]


def test_dead_links_and_anchors_are_named(planted):
    assert dead_links(planted, "dead-link.html") == ["nowhere.html"]
    assert dead_links(planted, "dead-anchor.html") == ["other.html#gone", "#none"]


def test_pictures_without_words_are_named(planted):
    assert len(read(planted / "no-alt.html").silent) == 1 and len(read(planted / "empty-alt.html").silent) == 2


def test_a_verdict_below_the_first_screen_is_seen(look_at):
    far, phone = look_at("far-down").badge, look_at("far-down-on-a-phone").badge
    assert far["wide"] > WIDE["height"] and far["phone"] > PHONE["height"]
    assert phone["wide"] <= WIDE["height"] and phone["phone"] > PHONE["height"]


def test_what_sticks_out_of_a_phone_is_named(look_at):
    assert any("div#wide" in line for line in look_at("too-wide").overflow)


def test_an_id_that_stands_twice_is_named(planted):
    assert read(planted / "twice.html").twice == ["a"]


def test_maths_that_nobody_set_is_seen(look_at):
    assert look_at("raw-maths").unrendered == ["\\(p(x)\\)"]


def test_a_style_sheet_that_asks_elsewhere_is_named(tmp_path):
    (tmp_path / "a.css").write_text("@import '//cdn.example.org/b.css'; p { background: url('https://x.example.org/i.png') } q { background: url(data:,x) }")
    assert styles_that_fetch(tmp_path) == ["a.css: //cdn.example.org/b.css", "a.css: https://x.example.org/i.png"]


def test_every_planted_page_is_listed_as_a_page(planted):
    assert len(pages_of(planted)) == len(PLANTED)
