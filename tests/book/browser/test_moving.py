"""Figures that the reader moves: by keyboard, and what they show is what the package computes."""

from __future__ import annotations

import gzip
import json
import math
import re
from collections.abc import Iterator

import mpmath
import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page
from torch import nn

from bookmaker import ROOT, SITE, pages
from browser.opening import PATIENCE, OpenPage
from browser.test_pages import RULES
from gradflow.book import decimal, written
from gradflow.experiments.deep_networks.moving import moved_profile
from gradflow.experiments.exploding.cliff import descend, loss_and_gradient
from gradflow.experiments.gates import cell_paths
from gradflow.experiments.normalization import measured_growth
from gradflow.experiments.precision import error_signals
from gradflow.layer_norm import gradient_growth
from gradflow.networks import gaussian_weights

FIGURES = {
    "fig-index-powers": "index",
    "fig-deep-moving": "deep_networks",
    "fig-products-moving": "jacobian_products",
    "fig-random-moving": "random_matrices",
    "fig-gates-moving": "gates",
    "fig-cliff-moving": "exploding",
    "fig-norm-moving": "normalization",
    "fig-precision-moving": "precision",
}
REPEATABLE = {"fig-cliff-moving": 40}  # points: the descent along the cliff is chaotic
MOVE, BACK = "ArrowDown", "ArrowUp"  # both a slider and a list to choose from know them
BUDGET = 15_000  # bytes, compressed: all scripts of all figures
PIXEL = 0.11  # px: coordinates are written to a tenth
# axe looks at all that is there, and test_pages.py judges the rest of the page.
LEAVE_ALONE = """(figure) => {
  for (let part = document.getElementById(figure); part !== document.body; part = part.parentElement)
    [...part.parentElement.children].filter((other) => other !== part).forEach((other) => other.remove());
}"""


@pytest.fixture(scope="module")
def opened_once(site: str, open_page: OpenPage) -> Iterator[dict[str, Page]]:
    """The pages that have been opened, by figure."""
    known: dict[str, Page] = {}
    contexts = []
    for figure, page in FIGURES.items():
        contexts.append(open_page(f"{site}book/{page}.html"))
        known[figure] = contexts[-1].__enter__().page
    yield known
    for context in contexts:
        context.__exit__(None, None, None)


def control(page: Page, figure: str, name: str) -> Locator:
    return page.locator(f"#{figure}-{name}")


def first(page: Page, figure: str) -> Locator:
    """The first control of a figure; it comes when the reader comes near."""
    page.locator(f"#{figure}").evaluate("(one) => one.scrollIntoView()")
    return page.locator(f"#{figure} :is(input, select)").first


def press(page: Page, figure: str, name: str, *keys: str) -> None:
    """Press keys on a control, as a reader without a mouse."""
    page.locator(f"#{figure}").evaluate("(one) => one.scrollIntoView()")
    control(page, figure, name).focus()
    for key in keys:
        page.keyboard.press(key)


def says(page: Page, figure: str) -> str:
    return page.locator(f"#{figure} [role=status]").text_content() or ""


def path(page: Page, figure: str, curve: str) -> np.ndarray:
    """The points of a curve in px of its panel, ``(n, 2)``."""
    lines = page.locator(f"#{figure} [data-curve={curve}] > path")  # none where only marks are drawn
    drawn = " ".join(lines.evaluate_all("all => all.map(one => one.getAttribute('d'))"))
    return np.array(re.findall(r"-?\d+(?:\.\d+)?", drawn), dtype=float).reshape(-1, 2)


def in_panel(page: Page, figure: str, curve: str, xs: object, ys: object) -> np.ndarray:
    """Where values lie in the panel of a curve, in px, ``(n, 2)``."""
    panel = page.locator(f"#{figure} svg:has([data-curve={curve}])")
    scales = json.loads(panel.get_attribute("data-scales") or "")
    places = []
    for axis, values in (("x", np.asarray(xs, float)), ("y", np.asarray(ys, float))):
        near, far, low, high, log = scales[axis]
        part = np.log(values / low) / np.log(high / low) if log else (values - low) / (high - low)
        places.append(near + part * (far - near))
    return np.stack(places, axis=1)


def values(page: Page, figure: str, curve: str) -> np.ndarray:
    """The points of a curve in the units of its axes, ``(n, 2)``."""
    panel = page.locator(f"#{figure} svg:has([data-curve={curve}])")
    scales = json.loads(panel.get_attribute("data-scales") or "")
    columns = []
    for axis, px in zip("xy", path(page, figure, curve).T, strict=True):
        near, far, low, high, log = scales[axis]
        part = (px - near) / (far - near)
        columns.append(low * (high / low) ** part if log else low + part * (high - low))
    return np.stack(columns, axis=1)


def marks(page: Page, figure: str, curve: str) -> np.ndarray:
    """The marks of a curve that are seen, in px of its panel, ``(n, 2)``."""
    seen = "all => all.filter(one => one.style.display !== 'none').map(one => [one.getAttribute('x'), one.getAttribute('y')])"
    return np.array(page.locator(f"#{figure} [data-curve={curve}] use").evaluate_all(seen), dtype=float).reshape(-1, 2)


def inside(page: Page, figure: str, curve: str, points: np.ndarray) -> np.ndarray:
    """Those of the points, in px, that lie in the panel of a curve: matplotlib cuts what leaves the picture."""
    panel = page.locator(f"#{figure} svg:has([data-curve={curve}])")
    scales = json.loads(panel.get_attribute("data-scales") or "")
    ends = np.sort([scales["x"][:2], scales["y"][:2]])
    return points[((points >= ends[:, 0]) & (points <= ends[:, 1])).all(axis=1)]


def shows(page: Page, figure: str, curve: str, xs: object, ys: object) -> bool:
    """Tell whether a curve of the figure goes through the points."""
    drawn, expected = path(page, figure, curve), in_panel(page, figure, curve, xs, ys)
    return drawn.shape == expected.shape and bool(np.abs(drawn - expected).max() < PIXEL)


@pytest.mark.parametrize("figure", FIGURES)
def test_script_draws_what_the_cell_has_drawn(figure: str, site: str, open_page: OpenPage) -> None:
    with open_page(f"{site}book/{FIGURES[figure]}.html") as opened:
        page = opened.page
        first(page, figure).wait_for()
        curves = page.locator(f"#{figure} [data-curve]").evaluate_all("all => all.map(one => one.dataset.curve)")
        assert curves
        stills, sentence = {curve: path(page, figure, curve) for curve in curves}, says(page, figure)
        points = {curve: marks(page, figure, curve) for curve in curves}
        first(page, figure).focus()
        page.keyboard.press(MOVE)
        assert says(page, figure) != sentence
        page.keyboard.press(BACK)
        assert says(page, figure) == sentence
        for curve, still in stills.items():
            still = inside(page, figure, curve, still[: REPEATABLE.get(figure)])
            drawn = path(page, figure, curve)
            distances = np.linalg.norm(drawn[:, None] - still[None], axis=2).min(axis=0) if len(still) else np.zeros(1)
            assert distances.max() < 2 * PIXEL, curve  # matplotlib leaves out points that lie on a straight line
            if figure not in REPEATABLE:
                assert np.allclose(marks(page, figure, curve), points[curve], atol=PIXEL), curve
        assert opened.complaints == [] and opened.outside == []


def test_three_curves_are_those_of_the_package(opened_once: dict[str, Page]) -> None:
    figure = "fig-deep-moving"
    page = opened_once[figure]
    press(page, figure, "gain", "Home", *["ArrowRight"] * 6)
    press(page, figure, "sigma", "End", "ArrowLeft", "ArrowLeft")
    press(page, figure, "depth", "Home", *["PageUp"] * 2)
    depth = int(control(page, figure, "depth").input_value())
    assert 2 < depth < 50
    for name, activation in (("linear", None), ("tanh", nn.Tanh)):
        profile = moved_profile(0.3, 2.8, depth, activation)
        assert shows(page, figure, f"{name}-activations", range(depth + 1), profile.activations)
        assert shows(page, figure, f"{name}-deltas", range(1, depth + 1), profile.deltas)
        assert shows(page, figure, f"{name}-weights", range(1, depth + 1), profile.weight_grads)
    ratio = float(profile.weight_grads[0] / profile.weight_grads[-1])
    assert says(page, figure).startswith(f"Усиление 0,30, шум 2,8, {depth} сло")
    assert f"в {written(ratio, 2)} раз" in says(page, figure)


def test_powers_image_and_pseudospectrum_are_those_of_the_matrix(opened_once: dict[str, Page]) -> None:
    figure = "fig-products-moving"
    page = opened_once[figure]
    press(page, figure, "rho", "Home", *["ArrowRight"] * 30)
    press(page, figure, "coupling", "End", *["ArrowLeft"] * 20)
    press(page, figure, "step", "Home", *["ArrowRight"] * 4)
    A = torch.tensor([[0.8, 2.0], [0.0, 0.8]], dtype=torch.float64)
    powers = torch.stack([torch.linalg.matrix_power(A, t) for t in range(61)])
    norms = torch.linalg.matrix_norm(powers, 2)
    assert shows(page, figure, "norm", range(61), norms)
    assert shows(page, figure, "sigma", range(61), torch.linalg.matrix_norm(A, 2) ** torch.arange(61))
    assert shows(page, figure, "path", *(powers[:5] @ torch.tensor([0.0, 1.0], dtype=torch.float64)).T)
    assert len(marks(page, figure, "path")) == 5
    image = np.linalg.norm(np.linalg.solve(powers[4].numpy(), values(page, figure, "image").T), axis=0)
    assert np.abs(image - 1).max() < 0.15  # the ellipse is flat, and drawn to a tenth of a pixel
    for curve, epsilon in (("outer", 0.1), ("inner", 0.01)):
        z = values(page, figure, curve) @ [1, 1j]
        smallest = np.linalg.svd(z[:, None, None] * np.eye(2) - A.numpy(), compute_uv=False)[:, -1]
        assert smallest == pytest.approx(epsilon, rel=0.06)
    peak = int(norms.argmax())
    assert f"растёт до {written(norms.max(), 2)} на шаге {peak} " in says(page, figure)
    press(page, figure, "coupling", "Home")
    assert "не растёт никогда" in says(page, figure)


def test_fan_is_that_of_the_product(opened_once: dict[str, Page]) -> None:
    figure = "fig-random-moving"
    page = opened_once[figure]
    press(page, figure, "length", "Home", "ArrowRight", "ArrowRight")
    press(page, figure, "sigma", *["ArrowRight"] * 4)
    factors = gaussian_weights(60, 16, generator=torch.Generator().manual_seed(5)).double()
    singular = [
        torch.linalg.svdvals(torch.linalg.multi_dot([torch.eye(16).double(), *factors[:n].flip(0)])) for n in (1, 2, 3)
    ]
    logs = torch.stack([s.log() + n * math.log(1.2) for n, s in enumerate(singular, start=1)])
    for k in (1, 8, 16):
        assert shows(page, figure, f"sigma{k}", range(1, 4), logs[:, k - 1] / math.log(10))
    expected = in_panel(page, figure, "rates", range(1, 17), logs[-1] / 3)
    assert np.abs(marks(page, figure, "rates") - expected).max() < PIXEL
    newman = [math.log(1.2) + (mpmath.digamma((17 - k) / 2) + math.log(2 / 16)) / 2 for k in range(1, 17)]
    assert shows(page, figure, "newman", range(1, 17), [float(one) for one in newman])
    assert f"наибольшее {written(logs[-1, 0].exp(), 2)}" in says(page, figure)


def test_gradient_of_a_cell_is_that_of_the_package(opened_once: dict[str, Page]) -> None:
    figure = "fig-gates-moving"
    page = opened_once[figure]
    press(page, figure, "bias", "ArrowRight")
    press(page, figure, "distance", "Home", *["ArrowRight"] * 9)
    whole, gate = cell_paths(2.0).true.median(0).values, 1 / (1 + math.exp(-2))
    assert shows(page, figure, "whole", range(101), whole)
    assert shows(page, figure, "direct", range(101), [lag * math.log10(gate) for lag in range(101)])
    expected = in_panel(page, figure, "memory", [2], [1 / (1 - gate)])
    assert np.abs(marks(page, figure, "memory") - expected).max() < PIXEL
    assert f"прямой путь {written(gate**10, 2)}, вся производная {written(10 ** whole[10], 2)}" in says(page, figure)


def test_powers_are_those_of_one_number(opened_once: dict[str, Page]) -> None:
    figure = "fig-index-powers"
    page = opened_once[figure]
    press(page, figure, "factor", "Home")
    assert shows(page, figure, "power", range(101), [0.7**n for n in range(101)])
    assert f"ослаб в {written(0.7**-100, 2)} раз" in says(page, figure)
    last = next(n for n in range(101) if 0.7**n < torch.finfo(torch.float16).smallest_normal * 2**-10)
    assert says(page, figure).endswith(f"не помещается с {last}-го умножения.")


def test_walk_on_the_cliff_is_that_of_the_package(opened_once: dict[str, Page]) -> None:
    figure = "fig-cliff-moving"
    page = opened_once[figure]
    press(page, figure, "threshold", "ArrowLeft", "ArrowLeft")
    press(page, figure, "rate", "ArrowLeft", "ArrowLeft")
    press(page, figure, "w", "ArrowRight")
    press(page, figure, "b", "ArrowLeft")
    start = torch.tensor([[5.25], [-3.25]], dtype=torch.float64)
    walk = descend(start, 10**-1.5, 400, max_norm=10**-0.5)[:100, :, 0]
    assert np.abs(path(page, figure, "path")[:100] - in_panel(page, figure, "path", *walk.T)).max() < PIXEL
    loss = loss_and_gradient(walk.T)[0]
    assert np.abs(path(page, figure, "loss")[:100] - in_panel(page, figure, "loss", range(100), loss)).max() < PIXEL
    assert says(page, figure).startswith("Порог 0,32, шаг 0,032, старт (5,25; −3,25).")


def test_walk_starts_where_the_reader_clicks(site: str, open_page: OpenPage) -> None:
    figure = "fig-cliff-moving"
    with open_page(f"{site}book/exploding.html#{figure}", 375) as opened:
        page = opened.page
        panel = page.locator(f"#{figure} svg").first
        x, y = in_panel(page, figure, "path", [6.0], [-2.0])[0]
        scale = panel.evaluate("one => one.getBoundingClientRect().width / one.viewBox.baseVal.width")
        panel.click(position={"x": x * scale, "y": y * scale})
        assert [control(page, figure, name).input_value() for name in "wb"] == ["6", "-2"]
        assert "старт (6,00; −2,00)" in says(page, figure)


def test_growth_a_layer_is_predicted_and_measured(opened_once: dict[str, Page]) -> None:
    figure = "fig-norm-moving"
    page = opened_once[figure]
    press(page, figure, "activation", "ArrowDown", "ArrowDown")
    growth = math.sqrt(gradient_growth(torch.tanh, "after"))
    assert shows(page, figure, "predicted", range(1, 51), [(50 - layer) * math.log10(growth) for layer in range(1, 51)])
    measured = measured_growth(nn.Tanh, "after", width=256, depth=50, seeds=2).mean()
    told = re.search(r"предсказано ([\d,]+), измерено ([\d,]+);", says(page, figure))
    assert told and told[1] == decimal(growth, 3)
    assert float(told[2].replace(",", ".")) == pytest.approx(float(measured), rel=0.02)


def test_format_loses_what_torch_loses(opened_once: dict[str, Page]) -> None:
    figure = "fig-precision-moving"
    page = opened_once[figure]
    signals = error_signals(0.8, torch.float64)
    press(page, figure, "power", "Home", *["ArrowRight"] * 12)
    for dtype, overflow in ((torch.float16, 0.0), (torch.bfloat16, 0.0), (torch.float8_e5m2, 0.0)):
        x = signals * 2.0**12
        zeros, small = (x.to(dtype).double() == 0), x.abs() < torch.finfo(dtype).smallest_normal
        shares = [float(100 * part.double().mean()) for part in (zeros, small & ~zeros)]
        expected = [*shares, overflow, 100 - sum(shares)]
        told = re.findall(r"([\d,]+)\s%", says(page, figure))
        assert [float(one.replace(",", ".")) for one in told] == pytest.approx(expected, abs=0.06)
        press(page, figure, "format", "ArrowDown")
    orders = values(page, figure, "signals")
    assert orders[:, 0].min() == pytest.approx(-64 + 12, abs=0.1)
    top = np.histogram((signals.abs().log2() + 12).numpy().ravel(), bins=np.arange(-52, 21))[0].max()
    assert orders[:, 1].max() == pytest.approx(100 * top / signals.numel(), abs=0.05)


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("protocol", ["http", "file"])
def test_position_is_in_the_address(figure: str, protocol: str, site: str, open_page: OpenPage) -> None:
    book = site if protocol == "http" else f"file://{SITE}/"
    address = f"{book}book/{FIGURES[figure]}.html#{figure}"
    with open_page(address) as opened:
        page = opened.page
        assert page.locator(f"#{figure}").evaluate("one => Math.abs(one.getBoundingClientRect().top) < innerHeight")
        slider = first(page, figure)
        slider.focus()
        page.keyboard.press(MOVE)
        page.wait_for_function("location.hash.includes('?')")
        moved, linked, sentence = slider.input_value(), page.url, says(page, figure)
        assert opened.complaints == []
    with open_page(linked) as opened:
        slider = first(opened.page, figure)
        assert slider.input_value() == moved and says(opened.page, figure) == sentence
        assert opened.page.locator(f"#{figure}").evaluate(
            "one => Math.abs(one.getBoundingClientRect().top) < innerHeight"
        )
        opened.page.locator(f"#{figure} button").click()
        assert says(opened.page, figure) != sentence
        opened.page.wait_for_function("!location.hash.includes('?')")
        assert opened.page.url.endswith(f"#{figure}")
        opened.page.evaluate("hash => { location.hash = hash; }", linked.partition("#")[2])
        opened.page.wait_for_function(f"document.querySelector('#{figure} :is(input, select)').value === '{moved}'")
        assert opened.complaints == []


def test_address_that_makes_no_sense_moves_nothing(site: str, open_page: OpenPage) -> None:
    with open_page(f"{site}book/deep_networks.html#fig-deep-moving?gain=nothing&other=1") as opened:
        assert control(opened.page, "fig-deep-moving", "gain").input_value() == "1.5"
        assert opened.complaints == []


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (375, "dark")])
@pytest.mark.parametrize("figure", FIGURES)
def test_moved_figure_is_accessible(figure: str, width: int, theme: str, site: str, open_page: OpenPage) -> None:
    with open_page(f"{site}book/{FIGURES[figure]}.html#{figure}", width, theme) as opened:
        page = opened.page
        first(page, figure).focus()
        page.keyboard.press(MOVE)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        for slider in page.locator(f"#{figure} input").all():
            shown = page.locator(f"#{figure} output[for={slider.get_attribute('id')}]").inner_text()
            assert slider.get_attribute("aria-valuetext") == shown
        page.evaluate(LEAVE_ALONE, figure)
        found = Axe().run(page, context=f"#{figure}", options=RULES).response["violations"]
        assert [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]] == []


def test_finger_moves_a_slider(browser: Browser, site: str) -> None:
    context = browser.new_context(viewport={"width": 375, "height": 800}, has_touch=True, is_mobile=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(f"{site}book/deep_networks.html#fig-deep-moving")
    slider = control(page, "fig-deep-moving", "depth")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None and box["height"] >= 24
    page.touchscreen.tap(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    page.wait_for_function("document.querySelector('#fig-deep-moving-depth').value > 80")
    context.close()


def test_without_scripts_the_figure_is_still(browser: Browser, site: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(f"{site}book/deep_networks.html")
    assert page.locator("#fig-deep-moving svg").first.is_visible()
    assert page.locator("#fig-deep-moving .moving").is_hidden()
    context.close()


@pytest.mark.parametrize("figure", FIGURES)
def test_paper_shows_the_still(figure: str, site: str, open_page: OpenPage) -> None:
    drawn = f"[...document.querySelectorAll('#{figure} [data-curve]')].map(one => one.innerHTML)"
    with open_page(f"{site}book/{FIGURES[figure]}.html#{figure}") as opened:
        page = opened.page
        first(page, figure).focus()
        still = page.evaluate(drawn)
        page.keyboard.press(MOVE)
        moved = page.evaluate(drawn)
        assert moved != still
        page.emulate_media(media="print")
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate(drawn) == still
        assert page.locator(f"#{figure} .moving").is_hidden()
        page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert page.evaluate(drawn) == moved


def test_numbers_are_written_as_in_python(opened_once: dict[str, Page]) -> None:
    values = [0.0, 1.0, -0.5, 0.0001234, 0.09996, 9.996, 123.0, 12345.0, 99999.0, 123456.0, 6.37e8, -2.5e-30, 1e-30]
    page = next(iter(opened_once.values()))
    for digits in (1, 2, 3):
        said = page.evaluate(f"values => values.map(one => gradflow.written(one, {digits}))", values)
        assert said == [written(value, digits) for value in values]
    assert page.evaluate("gradflow.times(12345)") == f"{written(12000)} раз"
    said = page.evaluate("values => values.map(one => gradflow.decimal(one, 2))", [0.0, -0.001, 1.005, 12.5, -3.14159])
    assert said == [decimal(value, 2) for value in [0.0, -0.001, 1.005, 12.5, -3.14159]]


def test_scripts_are_light_and_only_where_something_moves() -> None:
    scripts = sorted((ROOT / "book" / "_static").glob("moving*.js"))
    assert sum(len(gzip.compress(script.read_bytes(), 9)) for script in scripts) <= BUDGET
    moving = {f"book/{page}.html" for page in FIGURES.values()}
    for page in pages():
        loads = re.findall(r'src="[^"]*\b(moving\w*)\.js', (SITE / page).read_text(encoding="utf-8"))
        assert bool(loads) == (page in moving), (page, loads)
        assert len(loads) == len(set(loads))
