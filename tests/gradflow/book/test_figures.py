import re

import numpy as np
import pytest
import torch

from gradflow.book.drawings import plot_profile
from gradflow.book.figures import BLUE, Chart, _steps, heatmap, log_scale, plot_band, plot_curves
from gradflow.profile import LayerProfile


def drawn() -> Chart:
    chart = Chart(2, titles=["Слева", "Справа"])
    plot_curves(chart.axes[0], {"a": [1.0, 10.0, 100.0], "b": [3.0, 2.0, 1.0]})
    log_scale(chart.axes[0])
    plot_band(chart.axes[1], [1, 2], np.array([[0.0, 1.5], [2.0, 3.5]]), label="полоса", color=BLUE)
    return chart


def test_the_same_drawing_gives_the_same_bytes():
    assert drawn()._repr_html_() == drawn()._repr_html_()
    chart = drawn()
    assert chart._repr_html_() == chart._repr_html_()


def test_every_panel_is_its_own_image_and_ids_do_not_clash():
    html = drawn()._repr_html_()
    assert html.count("<svg ") == 2
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert ids and len(ids) == len(set(ids))
    for target in re.findall(r'href="#([^"]+)"', html) + re.findall(r"url\(#([^)]+)\)", html):
        assert target in ids


def test_black_follows_the_theme_of_the_page():
    html = drawn()._repr_html_()
    assert "currentColor" in html
    assert not re.search(r"#000000|fill: #ffffff|<metadata", html)


def test_a_figure_has_no_style_sheet_of_its_own():
    assert "<style" not in drawn()._repr_html_()  # it would hold for the whole page, and style all of it anew


def test_two_curves_differ_in_dash_as_well_as_in_colour():
    lines = drawn().axes[0].lines
    assert lines[0].get_linestyle() != lines[1].get_linestyle()
    assert lines[0].get_color() != lines[1].get_color()


def test_band_is_drawn_around_the_median():
    axes = drawn().axes[1]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [1.0, 2.5])


def test_linear_ticks_have_a_decimal_comma():
    chart = Chart()
    chart.ax.plot([0, 1], [0.25, 0.5])
    chart.ax.figure.draw_without_rendering()
    labels = [label.get_text() for label in chart.ax.get_yticklabels()]
    assert any("," in label for label in labels) and not any("." in label for label in labels)
    assert not any("$" in label and "," in label.replace("{,}", "") for label in labels)  # a space would follow it


def test_heatmap_has_a_labelled_bar():
    chart = Chart()
    heatmap(chart.ax, np.arange(3.0), np.arange(2.0), np.zeros((2, 3)), "цвет")
    assert [ax.get_ylabel() for ax in chart.ax.figure.axes] == ["", "цвет"]


@pytest.mark.parametrize("panels", [0, 5, 1.5])
def test_a_wrong_number_of_panels_is_refused(panels):
    with pytest.raises(ValueError, match="panels"):
        Chart(panels)


def test_titles_must_match_the_panels():
    with pytest.raises(ValueError, match="titles: expected 2"):
        Chart(2, titles=["одна"])


def test_profile_is_drawn_as_three_curves_over_the_layers():
    profile = LayerProfile(torch.ones(4), torch.ones(3), torch.ones(3))
    chart = Chart()
    plot_profile(chart.ax, profile)
    assert [len(line.get_xdata()) for line in chart.ax.lines] == [4, 3, 3]
    assert chart.ax.get_yscale() == "log"


def test_ticks_have_a_comma_without_a_space():
    chart = Chart(1)
    chart.axes[0].plot([0.0, 0.5, 1.0])
    labels = [label.get_text() for label in chart.axes[0].get_yticklabels()]
    assert any("0{,}5" in label or "0{,}4" in label for label in labels), labels


def walked(path: str) -> list[tuple[float, float]]:
    """The points at which a path by steps arrives."""
    points, here, start = [], np.zeros(2), np.zeros(2)
    for command, numbers in re.findall(r"([mlqcz])([^mlqcz]*)", path):
        steps = np.array(re.findall(r"-?(?:\d+\.?\d*|\.\d+)", numbers), dtype=float).reshape(-1, 2)
        if command == "z":
            here = start
        for k, step in enumerate(steps):
            points.append(tuple(here + step))
            if (k + 1) % {"m": 1, "l": 1, "q": 2, "c": 3}[command] == 0:
                here = here + step
        start = here if command == "m" else start
    return points


def test_steps_of_a_path_lead_where_it_went():
    path = "M 10.04 20 \nL 15.51 19.9 \nL 16 19.94 \nQ 1 2 -3 0.4 \nC 1 2 3 4 5.25 6 \nz\nM 3 4 \nM 5 6 \nL 0.5 6 \nz"
    expected = np.array(re.findall(r"-?\d+\.?\d*", path), dtype=float).reshape(-1, 2)
    np.testing.assert_allclose(walked(_steps(path)), expected, atol=0.0501)


def test_coordinates_are_written_to_a_tenth_of_a_pixel():
    html = drawn()._repr_html_()
    for path in re.findall(r' d="([^"]+)"', html):
        assert re.search(r"\.\d\d", path) is None
    assert "\n" not in "".join(re.findall(r' d="([^"]+)"', html))
