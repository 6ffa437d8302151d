"""Figures: two themes, alt text, the data beside them, and the same bytes every time."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ElementTree

import matplotlib.image as mpimg
import numpy as np
import pandas as pd
import pytest
import seaborn as sns
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from psm import charts, figures, lab
from psm.errors import UsageError

DATA = pd.DataFrame({"turn": [0, 1, 2, 0, 1, 2], "arm": ["insecure"] * 3 + ["secure"] * 3,
                     "p": [0.1, 1 / 3, 0.7, 0.1, 0.15, 0.2]})


def draw(ax, data):
    sns.lineplot(data, x="turn", y="p", hue="arm", palette=figures.palette(data["arm"]), errorbar=None, ax=ax)
    ax.set(xlabel="turns seen", ylabel="P(bad)")


def bundle(**changes):
    arguments = {"name": "spread", "draw": draw, "data": DATA, "alt": 'P(bad) rises to "0.7" & more', "caption": "A <test>"}
    return figures.figure_html(**(arguments | changes))


def test_both_themes_are_valid_svg_of_the_size_asked_for():
    made = bundle(size=(5.0, 3.0))
    for svg in (made.light_svg, made.dark_svg):
        root = ElementTree.fromstring(svg)
        assert root.attrib["width"] == "360pt" and root.attrib["height"] == "216pt"
    assert figures.HUES["vermilion"][0] in made.light_svg and figures.HUES["vermilion"][1] in made.dark_svg
    assert figures.HUES["vermilion"][0] not in made.dark_svg


def test_the_same_bytes_twice_and_no_date():
    assert bundle() == bundle()
    assert "dc:date" not in bundle().light_svg


def test_text_is_outlines():
    assert "<text" not in bundle().light_svg


def test_html_has_one_alt_per_theme_and_is_escaped():
    made = bundle()
    assert made.html.count('alt="P(bad) rises to &quot;0.7&quot; &amp; more"') == 2
    assert "A &lt;test&gt;" in made.html
    assert re.search(r'class="psm-dark"[^>]*style="display:none;', made.html)
    assert not re.search(r'class="psm-light"[^>]*display:none', made.html)


@pytest.mark.parametrize("width, smallest", [(7.2, 442), (11.0, 676)])
def test_a_figure_scrolls_on_a_phone_rather_than_shrink_away_and_says_so(width, smallest):
    shown = bundle(size=(width, 4.0)).html
    assert shown.count(f"min-width:{smallest}px") == 2 and f"--psm-smallest:{smallest}px" in shown
    assert 'tabindex="0"' in shown and "Swipe to see all of it" in shown
    assert 13.5 * 96 / 72 * figures.SMALLEST > 11     # the lettering at its smallest, in pixels


def test_a_figure_that_fits_a_phone_does_not_speak_of_scrolling():
    shown = bundle(size=(4.0, 3.0)).html
    assert "tabindex" not in shown and "Swipe" not in shown


def test_an_alt_text_states_numbers_where_there_are_any():
    with pytest.raises(UsageError, match="'spread' has an alt text without a number"):
        bundle(alt="P(bad) rises")
    words = pd.DataFrame({"arm": ["secure", "insecure"]})
    assert bundle(alt="Two arms", data=words, draw=lambda ax, data: ax.plot([0, 1])).alt == "Two arms"


def test_the_png_is_the_light_theme_on_white_and_the_same_twice():
    made = bundle(size=(5.0, 3.0)).png
    assert made == bundle(size=(5.0, 3.0)).png
    pixels = mpimg.imread(io.BytesIO(made))
    assert pixels.shape == (390, 650, 4) and np.all(pixels[0, 0] == 1) and pixels[..., 3].min() == 1
    vermilion = [int(figures.HUES["vermilion"][0][i:i + 2], 16) / 255 for i in (1, 3, 5)]
    assert np.abs(pixels[..., :3] - vermilion).max(-1).min() < 0.02


def test_paths_are_rounded_and_letters_keep_their_scale():
    svg = bundle().light_svg
    assert not re.search(r' d="[^"]*\.\d{3}', svg)
    assert re.search(r"scale\(0\.\d{3,}", svg)


def test_a_chapter_cannot_have_two_figures_of_one_name(tmp_path, monkeypatch):
    monkeypatch.setenv("PSM_RUN_DIR", str(tmp_path))
    run = lab.start("toy", scale="smoke", seeds=[0])
    shown = {"draw": draw, "data": DATA, "alt": "0.7", "caption": "one"}
    run.figure("spread", **shown)
    assert (tmp_path / "figures" / "spread.png").read_bytes() == bundle().png
    with pytest.raises(UsageError, match="two figures of chapter toy are called 'spread'"):
        run.figure("spread", **shown)
    monkeypatch.delenv("PSM_RUN_DIR")
    run.figure("spread", **shown)     # a cell run again in the lab


def test_no_line_runs_through_the_label_of_a_contrast():
    table = pd.DataFrame([("a label so long that it needs two lines, for it says all that there is to say of it", "model", 0.02, -0.05, 0.04),
                          ("short", "none", 0.1, 0.0, 0.2)], columns=["label", "role", "mean", "low", "high"])
    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    charts.draw_contrasts(ax, table, 0.05)
    figure.canvas.draw()
    labels = [text.get_window_extent() for text in ax.texts]
    assert len(labels) == 2 and max(box.x1 for box in labels) < ax.get_window_extent().x1
    for line in ax.lines:
        box = line.get_window_extent()
        assert not any(box.y0 < label.y1 and label.y0 < box.y1 and box.x0 <= label.x1 for label in labels)


def test_images_are_carried_in_the_page():
    made = bundle()
    sources = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', made.html)
    assert [base64.b64decode(s).decode() for s in sources] == [made.light_svg, made.dark_svg]


def test_data_link_round_trips_every_digit():
    encoded = re.search(r'download="spread.csv" href="data:text/csv;charset=utf-8;base64,([^"]+)"', bundle().html).group(1)
    read = pd.read_csv(io.StringIO(base64.b64decode(encoded).decode()))
    pd.testing.assert_frame_equal(read, DATA, check_exact=True, check_dtype=False)


def test_a_named_index_is_kept_in_the_data():
    assert bundle(data=DATA.set_index("turn"), draw=lambda ax, d: ax.plot(d["p"])).csv.startswith("turn,arm,p\n")


def test_several_panels():
    seen = []
    bundle(panels=(1, 2), draw=lambda axes, data: seen.append(axes.shape))
    assert seen == [(2,), (2,)]


def test_jitter_is_the_same_in_both_themes_and_the_callers_random_state_is_kept():
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    bundle(draw=lambda ax, d: sns.stripplot(d, x="arm", y="p", ax=ax))
    assert np.random.random() == expected


def test_a_random_drawing_is_refused():
    generator = np.random.default_rng()
    with pytest.raises(UsageError, match="drawn differently each time"):
        bundle(draw=lambda ax, data: ax.plot(generator.random(4)))


@pytest.mark.parametrize("change, message", [
    ({"alt": "  "}, "no alt text"), ({"caption": ""}, "no caption text"),
    ({"name": "Über alles"}, "lower-case"), ({"data": [1, 2]}, "DataFrame"),
])
def test_bad_input_says_what_to_mend(change, message):
    with pytest.raises(UsageError, match=message):
        bundle(**change)


def test_a_name_keeps_its_hue_whatever_stands_beside_it():
    assert figures.palette(["insecure", "secure"])["insecure"] == figures.palette(["zebra", "insecure"])["insecure"]
    assert figures.colour("Insecure") == figures.colour("insecure")


def test_unknown_names_get_different_hues():
    chosen = figures.palette(["alpha", "beta", "gamma", "delta", "epsilon"])
    assert len(set(chosen.values())) == 5


def _contrast(a: str, b: str) -> float:
    def luminance(value: str) -> float:
        parts = [int(value[i:i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", sorted(figures.HUES))
def test_every_hue_stands_out_from_its_page(name):
    light, dark = figures.HUES[name]
    assert _contrast(light, "#ffffff") >= 3 and _contrast(dark, "#121417") >= 3


def test_style_is_undone_after_the_block():
    before = figures.hue("blue")
    with figures.style(dark=True):
        assert figures.hue("blue") != before
    assert figures.hue("blue") == before


def test_the_archetypes_of_the_world_are_told_apart():
    from psm.world.worlds import ARCHETYPES

    chosen = figures.palette(a.name for a in ARCHETYPES)
    assert len(set(chosen.values())) == len(ARCHETYPES)
