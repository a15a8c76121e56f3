"""The ``chart`` directive: a glued inline-SVG chart as a numbered figure that a screen reader can read.

``{chart} fig-profile`` shows what a cell glued under ``fig-profile`` and makes the same word its label.
``:alt:`` says the conclusion of the figure in words; it is required.
"""

import re
from html import escape

from docutils import nodes
from myst_nb.ext.glue.directives import PasteFigureDirective
from sphinx.application import Sphinx

WRAPPER = '<div class="gradflow-chart"'
MOVING = '<script type="application/json">'
SHAPE = '<path d="M0 0" '
PANEL = re.compile(r"<svg\b.*?</svg>", re.DOTALL)
BLANK = re.compile(r"<path (?![^>]*\bd=)")  # a space, or a curve outside of the picture: SVG wants a shape


def slim(panel: re.Match[str]) -> str:
    """Leave out what matplotlib writes for those who edit a drawing: groups and names that nothing asks for."""
    svg = panel[0]
    asked = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r'\s+id="([^"]+)"', lambda found: found[0] if found[1] in asked else "", svg)
    svg = re.sub(r">\s+<", "><", svg.replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "").replace("xlink:", ""))
    kept, open_groups = [], []
    for part in re.split(r"(</?g\b[^>]*>)", svg.replace("<defs></defs>", "").replace("<g/>", "")):
        if part.startswith("<g"):
            open_groups.append(part != "<g>")
        if part != "<g>" and (part != "</g>" or open_groups.pop()):
            kept.append(part)
    return "".join(kept)


class ChartDirective(PasteFigureDirective):
    """A figure from ``gradflow.book.figures``, glued under the name that labels it."""

    option_spec = {"alt": PasteFigureDirective.option_spec["alt"]}

    def run(self) -> list[nodes.Node]:
        """Paste the figure and give its wrapper the role and the name that assistive technology reads."""
        alt = " ".join(self.options.get("alt", "").split())
        key = self.arguments[0]
        if not alt:
            raise self.error(f"{self.name} {key}: give :alt:, one sentence with the conclusion of the figure")
        self.options["name"] = key
        result = super().run()
        charts = [raw for node in result for raw in node.findall(nodes.raw) if WRAPPER in raw.astext()]
        if result and isinstance(result[0], nodes.figure) and len(charts) != 1:
            raise self.error(f"{self.name} {key}: the glued object is not a gradflow.book.figures.Chart")
        for raw in charts:
            if self.name == "chart" and MOVING in raw.astext():
                raise self.error(f"chart {key}: the chart has controls; show it with {{moving-chart}}")
            labelled = f'{WRAPPER} role="img" aria-label="{escape(alt)}"'
            html = BLANK.sub(SHAPE, raw.astext().replace(WRAPPER, labelled, 1))
            raw.children = [nodes.Text(PANEL.sub(slim, html))]
        return result


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("chart", ChartDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
