"""Controls that a chart carries into the page, and random numbers that a page draws, too."""

import json
import re
from dataclasses import asdict

import numpy as np
import pytest
import torch

from gradflow.book.figures import Chart
from gradflow.book.moving import Choice, Slider, page_normals


def mulberry32(state: int) -> float:
    """Tommy Ettinger's generator, written with Python's whole numbers."""
    mixed = (state ^ state >> 15) * (state | 1) % 2**32
    mixed ^= (mixed + (mixed ^ mixed >> 7) * (mixed | 61)) % 2**32
    return ((mixed ^ mixed >> 14) + 0.5) / 2**32


def test_page_normals_come_from_mulberry32_by_the_formula_of_box_and_muller():
    seed, pairs = 3, 4
    expected = []
    for pair in range(pairs):
        u, v = (mulberry32(((2 * pair + k) * 0x6D2B79F5 + seed * 0x9E3779B9) % 2**32) for k in (1, 2))
        expected += [(-2 * np.log(u)) ** 0.5 * np.cos(2 * np.pi * v), (-2 * np.log(u)) ** 0.5 * np.sin(2 * np.pi * v)]
    np.testing.assert_allclose(page_normals(2, pairs, seed=seed).flatten(), expected, rtol=1e-12)


def test_page_normals_are_normal_and_do_not_depend_on_each_other():
    z = page_normals(200, 32, 32)
    assert abs(z.mean()) < 0.01 and abs(z.square().mean() - 1) < 0.01 and abs(z.pow(4).mean() - 3) < 0.05
    for neighbours in ((z[1:] * z[:-1]), (z[:, 1:] * z[:, :-1]), (z[..., 1:] * z[..., :-1])):
        assert abs(neighbours.mean()) < 0.01
    assert torch.linalg.matrix_norm(z / 32**0.5, 2).mean() == pytest.approx(1.93, abs=0.05)


def test_fewer_numbers_are_the_beginning_of_more():
    assert torch.equal(page_normals(7), page_normals(2, 8).flatten()[:7])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 1, 0.1, 1), "low, high"),
        ((0, 1, 0.1, 0.5, True), "low, high: expected 0 < low"),
        ((0, 1, 0, 0.5), "step"),
        ((0, 1, 0.1, 1.5), "start"),
        ((0, 1, 0.1, 0.55), "start"),
    ],
)
def test_slider_without_a_range_or_with_a_start_that_it_cannot_show_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Slider("усиление", *arguments)


def test_logarithmic_slider_counts_in_decades():
    slider = Slider("порог", 0.01, 100, 0.25, 10**0.5, log=True)
    assert slider.position(slider.low) == pytest.approx(-2) and slider.position(slider.start) == pytest.approx(0.5)


def test_choice_begins_with_one_of_its_options():
    with pytest.raises(ValueError, match="start: expected one of"):
        Choice("активация", {"tanh": "tanh"}, "relu")


def test_chart_tells_the_page_what_moves_and_where_its_axes_lie():
    chart = Chart()
    chart.ax.plot([1, 10], [0.5, 1.5], gid="curve-line")
    chart.ax.set(xscale="log", xlim=(1, 100), ylim=(0, 2))
    slider = Slider("усиление", 0, 2, 0.5, 1)
    chart.moves("formula", data={"words": "</script>"}, gain=slider)
    html = chart._repr_html_()
    told = json.loads(re.search(r'<script type="application/json">(.*?)</script>', html)[1])
    assert told == {"formula": "formula", "controls": {"gain": asdict(slider)}, "data": {"words": "</script>"}}
    scales = json.loads(re.search(r"data-scales='(.*?)'", html)[1])
    assert scales["x"][2:] == [1, 100, True] and scales["y"][2:] == [0, 2, False]
    start, end = re.search(r'data-curve="line">\s*<path d="M([\d. ]+)L([\d. ]+)"', html).groups()
    (left, right), (bottom, top) = scales["x"][:2], scales["y"][:2]
    middle_x, quarter = (left + right) / 2, (top - bottom) / 4
    np.testing.assert_allclose([*map(float, start.split())], [left, bottom + quarter], atol=0.06)
    np.testing.assert_allclose([*map(float, end.split())], [middle_x, bottom + 3 * quarter], atol=0.06)


def test_still_chart_says_nothing_of_moving():
    html = Chart()._repr_html_()
    assert "script" not in html and "data-" not in html
