"""The ``moving-chart`` directive: a chart with controls under it, whose curves a small script draws anew.

What moves, and between which ends, the cell says (``Chart.moves``). The formula lies in ``_static/moving_<name>.js``.
It is run once while the page is read, so that a curve that only one of the two knows is a fault of the page, and
the page holds the sentence about the start before any script runs. Without scripts the chart is a still one.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from py_mini_racer import JSEvalException, MiniRacer
from sphinx.application import Sphinx

from chapter.charts import ChartDirective
from gradflow.book.prose import decimal, written

STATIC = Path(__file__).parents[2] / "_static"
MECHANISM = "moving.js"
DATA = re.compile(r'<script type="application/json">(.*?)</script>', re.DOTALL)
CURVE = re.compile(r'data-curve="([\w-]+)"')
RUN = """(formula, values, data) => {
  const known = (all, name) => {
    if (name in all) return all[name];
    throw Error(`no control is named ${name}`);
  };
  const {curves, says} = gradflow.formulas[formula](new Proxy(values, {get: known}), data);
  return JSON.stringify({curves: Object.keys(curves), says});
}"""


class moving_controls(nodes.General, nodes.Element):
    """The controls of a chart and the sentence that says what they have changed."""


@dataclass
class Start:
    """What a formula says of the start: the names of its curves, its sentence."""

    curves: list[str]
    says: str


def script_of(formula: str) -> str:
    """The file of a formula."""
    return f"moving_{formula}.js"


def run_formula(formula: str, values: dict[str, Any], data: Any) -> Start:
    """Run a formula in V8, as a browser would.

    Raises:
        JSEvalException: the script is faulty.
    """
    with MiniRacer() as engine:
        for name in (MECHANISM, script_of(formula)):
            engine.eval((STATIC / name).read_text(encoding="utf-8"))
        engine.eval(f"var run = {RUN}")
        told = json.loads(str(engine.call("run", formula, values, data)))
    return Start(told["curves"], told["says"])


class MovingChartDirective(ChartDirective):
    """A chart that its cell has taught to move."""

    def run(self) -> list[nodes.Node]:
        """Put the controls under the panels."""
        result = super().run()
        for figure in [node for node in result if isinstance(node, nodes.figure)]:
            for raw in list(figure.findall(nodes.raw)):
                raw.parent.insert(raw.parent.index(raw) + 1, self.controls(raw))
        return result

    def controls(self, raw: nodes.raw) -> moving_controls:
        """Take the movement out of the glued chart, and look whether chart and formula fit."""
        key, html = self.arguments[0], raw.astext()
        found = DATA.search(html)
        if found is None:
            raise self.error(
                f"moving-chart {key}: the chart has no controls; call chart.moves, or show it with {{chart}}"
            )
        raw.children = [nodes.Text(html.replace(found[0], ""))]
        movement = json.loads(found[1])
        start = self.start(movement)
        if unknown := sorted(set(CURVE.findall(html)) ^ set(start.curves)):
            named = "draw it, or" if unknown[0] in CURVE.findall(html) else 'give a line gid="curve-…", or'
            raise self.error(
                f"moving-chart {key}: chart and formula do not both know the curve «{unknown[0]}»; {named} take it away"
            )
        return moving_controls(figure=key, says=start.says, **movement)

    def start(self, movement: dict[str, Any]) -> Start:
        """What the formula says of the start."""
        key, formula = self.arguments[0], movement["formula"]
        if not (STATIC / script_of(formula)).exists():
            raise self.error(
                f"moving-chart {key}: there is no book/_static/{script_of(formula)}; write the formula there"
            )
        values = {name: control["start"] for name, control in movement["controls"].items()}
        try:
            return run_formula(formula, values, movement["data"])
        except JSEvalException as error:
            said = re.search(r"^\w*Error: .*", str(error), re.MULTILINE)
            words = said[0] if said else str(error)
            raise self.error(f"moving-chart {key}: {script_of(formula)} says «{words}»; mend it") from error


def number(value: float) -> str:
    """A number as an attribute of HTML."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def slider_html(named: str, ident: str, control: dict[str, Any]) -> str:
    """A slider and the value at which it stands."""
    low, high, start = (control[end] for end in ("low", "high", "start"))
    if control["log"]:
        shown = written(float(start), 2)
        low, high, start = (math.log10(end) for end in (low, high, start))
    else:
        shown = decimal(start, len(number(control["step"]).partition(".")[2]))
    ends = f'min="{number(low)}" max="{number(high)}" step="{number(control["step"])}" value="{number(start)}"'
    log = " data-log" * control["log"]
    return f'<output for="{ident}">{shown}</output><input type="range" {named} {ends} aria-valuetext="{shown}"{log}>'


def choice_html(named: str, control: dict[str, Any]) -> str:
    """A list to choose from."""
    options = "".join(
        f'<option value="{escape(value)}"{" selected" * (value == control["start"])}>{escape(words)}</option>'
        for value, words in control["options"].items()
    )
    return f"<select {named}>{options}</select>"


def visit_controls(self: Any, node: moving_controls) -> None:
    """Write them; who has no scripts does not see them. They come late, as the answer fields do (answer_fields.py)."""
    figure = node["figure"]
    self.body.append(
        f'<div class="moving pst-js-only" role="group" aria-label="Что можно менять на рисунке" '
        f'data-formula="{node["formula"]}">\n'
    )
    for name, control in node["controls"].items():
        ident = f"{figure}-{name}"
        named = f'id="{ident}" name="{name}" autocomplete="off"'
        html = choice_html(named, control) if "options" in control else slider_html(named, ident, control)
        self.body.append(
            f'<template><div class="moving-control"><label for="{ident}">{escape(control["label"])}</label>{html}</div>'
            "</template>\n"
        )
    data = json.dumps(node["data"], separators=(",", ":")).replace("</", "<\\/")
    self.body.append(
        '<button type="button">Вернуть как было</button>\n'
        f'<p class="moving-says" role="status">{escape(node["says"])}</p>\n'
        f'<script type="application/json">{data}</script>\n</div>\n'
    )
    raise nodes.SkipNode


def add_scripts(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Give a page the scripts of the charts that move on it."""
    formulas = sorted({node["formula"] for node in doctree.findall(moving_controls)}) if doctree else []
    if formulas:
        app.add_css_file("moving.css")
        for name in (MECHANISM, *map(script_of, formulas)):
            app.add_js_file(name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive, and its node."""
    app.add_node(moving_controls, html=(visit_controls, None))
    app.add_directive("moving-chart", MovingChartDirective)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
