"""The book's figure style and the few kinds of figure that repeat.

A :class:`Chart` is a row of panels. Each panel is a vector image of its own, so that a browser can
put them side by side on a desk and one below the other on a phone, with text of the same size.
Black becomes ``currentColor``: the drawing follows the page's light or dark theme.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatterMathtext, ScalarFormatter

from gradflow.book.moving import Choice, Movement, Slider

BLUE, RED, GREEN = "#2f7fd6", "#d9532c", "#1f9a6d"
PURPLE, GOLD, GRAY = "#9b62d0", "#b37f00", "#808080"
CYCLE = (BLUE, RED, GREEN, PURPLE, GOLD, GRAY)
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))

_PANEL_INCHES = 400 / 72, 290 / 72
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "path",
    "svg.hashsalt": "gradflow",
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.labelsize": 12,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#808080",
    "grid.alpha": 0.25,
    "lines.linewidth": 2.0,
    "axes.formatter.useoffset": False,
    "axes.formatter.use_mathtext": True,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


class Chart:
    """A row of one to four panels drawn in the book's style.

    Args:
        panels: how many panels.
        titles: one short title a panel, or none at all.
        height: panel height over its usual height (1.0 is 290 px at a width of 400 px).

    Attributes:
        axes: the Matplotlib axes, one a panel.

    Raises:
        ValueError: ``panels`` is not 1…4, or the number of titles differs from it.
    """

    def __init__(self, panels: int = 1, titles: Sequence[str] | None = None, height: float = 1.0) -> None:
        if panels not in (1, 2, 3, 4):
            raise ValueError(f"panels: expected an integer from 1 to 4, got {panels!r}")
        if titles is not None and len(titles) != panels:
            raise ValueError(f"titles: expected {panels} of them, got {len(titles)}")
        self._movement: Movement | None = None
        matplotlib.rcParams.update(_STYLE)  # for what is drawn into the panels later, too
        width, usual_height = _PANEL_INCHES
        self.axes: list[Axes] = []
        for index in range(panels):
            figure = Figure(figsize=(width, usual_height * height), layout="constrained")
            ax = figure.add_subplot()
            ax.set_prop_cycle(color=list(CYCLE), linestyle=list(DASHES))
            for axis in (ax.xaxis, ax.yaxis):
                axis.set_major_formatter(_CommaFormatter())
            if titles is not None:
                ax.set_title(titles[index], loc="left")
            self.axes.append(ax)

    @property
    def ax(self) -> Axes:
        """The first panel."""
        return self.axes[0]

    def moves(self, formula: str, data: Any = None, **controls: Slider | Choice) -> None:
        """Let the reader move the curves that were drawn with ``gid="curve-<name>"``.

        Args:
            formula: ``book/_static/moving_<formula>.js`` computes the curves, by name.
            data: what the formula needs from the package, fit for JSON.
            controls: by the names under which the formula knows them; the chart shows their ``start``.
        """
        self._movement = Movement(formula, controls, data)

    def __repr__(self) -> str:
        return f"Chart({len(self.axes)})"

    def _repr_html_(self) -> str:
        movement = self._movement
        panels = "".join(_inline_svg(ax, movement is not None) for ax in self.axes)
        return f'<div class="gradflow-chart">{panels}{movement.script() if movement else ""}</div>'


class _CommaFormatter(ScalarFormatter):
    """Plain ticks with a decimal comma; as part of a formula it stands in braces, or a space would follow it."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        text = super().__call__(x, pos)
        return text.replace(".", "{,}" if "$" in text else ",")  # in a formula a bare comma is followed by a space


def log_scale(ax: Axes, axis: str = "y") -> None:
    """Make an axis (``"x"``, ``"y"`` or ``"both"``) logarithmic, with ticks written as powers of ten."""
    for name in ("x", "y") if axis == "both" else (axis,):
        getattr(ax, f"set_{name}scale")("log")
        getattr(ax, f"{name}axis").set_major_formatter(LogFormatterMathtext())
        getattr(ax, f"{name}axis").set_minor_formatter(FuncFormatter(lambda *_: ""))


def plot_curves(ax: Axes, curves: Mapping[str, Sequence[float]], x: Sequence[float] | None = None) -> None:
    """Draw one labelled line a curve; colour and dash change together. ``x`` is 1, 2, … unless given."""
    for label, y in curves.items():
        values = np.asarray(y, dtype=float)
        ax.plot(np.arange(1, len(values) + 1) if x is None else x, values, label=label)
    ax.legend()


def plot_band(ax: Axes, x: Sequence[float], samples: np.ndarray, label: str, color: str, linestyle: str = "-") -> None:
    """Draw the median of ``samples (S, T)`` over ``S`` seeds and the band from the 10th to the 90th percentile."""
    values = np.asarray(samples, dtype=float)
    low, middle, high = np.nanquantile(values, (0.1, 0.5, 0.9), axis=0)
    ax.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
    ax.plot(x, middle, color=color, linestyle=linestyle, label=label)


def heatmap(ax: Axes, x: np.ndarray, y: np.ndarray, values: np.ndarray, label: str) -> None:
    """Draw ``values (len(y), len(x))`` as colours over the grid, with a labelled colour bar."""
    mesh = ax.pcolormesh(x, y, values, cmap="viridis", shading="auto", rasterized=True)
    ax.grid(False)
    bar = _figure(ax).colorbar(mesh, ax=ax, label=label)
    bar.ax.yaxis.set_major_formatter(_CommaFormatter())
    bar.ax.spines["outline"].set_visible(False)


def _figure(ax: Axes) -> Figure:
    return cast(Figure, ax.figure)  # not one of its parts


def _shorten(svg: str) -> str:
    """Write coordinates to a tenth of a pixel: matplotlib's six places make pages heavy. What moves keeps places."""
    path = r'((?:id="curve-[\w-]+">\s*)?<path[^>]*? d=")([^"]*)"'
    svg = re.sub(path, lambda found: found[1] + (_places if "curve-" in found[1] else _steps)(found[2]) + '"', svg)
    return re.sub(r'(?<= [xy]=")-?\d+\.\d+', lambda number: _tenths(number[0]), svg)


def _tenths(number: str) -> str:
    return f"{float(number):.1f}".removesuffix(".0")


def _places(path: str) -> str:
    """The path with short numbers."""
    numbers = re.sub(r"-?\d+\.\d+", lambda number: _tenths(number[0]), path)
    return re.sub(r"\s*([A-Za-z])\s*|\s+", lambda found: found[1] or " ", numbers).strip()


def _steps(path: str) -> str:
    """The path by steps from point to point, which are shorter than places: pages lose up to a fifth."""
    short, last, here, start = "", "", [0, 0], [0, 0]
    for command, numbers in re.findall(r"([MLQCz])([^MLQCz]*)", path):
        places = [round(10 * float(number)) for number in numbers.split()]
        steps = [f"{(place - here[axis % 2]) / 10:g}" for axis, place in enumerate(places)]
        short += " " if command == last != "M" else command.lower()
        short += " ".join(steps)
        here = places[-2:] or start
        start = here if command == "M" else start
        last = command
    return re.sub(r" (?=-)|(?<!\d)0(?=\.)", "", short)


def _scales(ax: Axes) -> str:
    """Where the ends of both axes lie in the picture, in px, and which values they have; is the axis logarithmic?"""
    (width, height), box = _figure(ax).get_size_inches() * 72, ax.get_position()
    x, y = (box.x0 * width, box.x1 * width), ((1 - box.y0) * height, (1 - box.y1) * height)
    axes = {"x": (*x, *ax.get_xlim(), ax.get_xscale()), "y": (*y, *ax.get_ylim(), ax.get_yscale())}
    told = {name: [*(float(f"{end:.6g}") for end in ends), kind == "log"] for name, (*ends, kind) in axes.items()}
    return f"data-scales='{json.dumps(told, separators=(',', ':'))}' "


def _inline_svg(ax: Axes, moves: bool = False) -> str:
    """The panel as an ``<svg>`` element whose black is ``currentColor`` and whose ids are its own."""
    figure = _figure(ax)
    if layout := figure.get_layout_engine():
        layout.execute(figure)
    figure.set_layout_engine()  # the layout is found once: the same drawing gives the same bytes, and is drawn once
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, dpi=144, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = _shorten(svg)
    prefix = "g" + hashlib.sha256(svg.encode()).hexdigest()[:8]
    svg = re.sub(r'\bid="curve-([\w-]+)"', r'data-curve="\1"', svg)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
    svg = re.sub(r"#000000\b|(?<=[:\"\s])black\b", "currentColor", svg)
    width, height = figure.get_size_inches() * 72
    root = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" '
        'fill="currentColor" stroke-linejoin="round" stroke-linecap="butt" '
        f'{_scales(ax) if moves else ""}aria-hidden="true" focusable="false">'
    )
    return re.sub(r"<svg [^>]*>", root, svg, count=1)
