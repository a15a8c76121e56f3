"""Formulas stand in the pages as they are written: no script sets them while the reader waits.

Each formula is HTML for the eye (MathJax's CHTML), MathML for a screen reader, and TeX for whoever copies it.
A formula that cannot be set is a warning at its file and line, and a warning fails the build.
"""

from __future__ import annotations

import base64
import io
import re
from html import escape, unescape
from pathlib import Path
from typing import Any, NoReturn

from docutils import nodes
from fontTools import subset  # type: ignore[import-untyped]
from sphinx.application import Sphinx
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

from chapter.typesetting import FONTS, Formulas

logger = logging.getLogger(__name__)

UNKNOWN = "Undefined control sequence "
CURES = {UNKNOWN: "use a macro of LaTeX or amsmath"}
CURE = "mend the formula"
WIDE = 11.0  # em: a longer piece of an inline formula does not fit every phone
OPENING, CLOSING = re.compile(r"[^\s]{1,3}$"), re.compile(r"^[^\s—]{1,12}")
OPERATORS = re.compile(r"\\mathrm\{(?=(?:LN|ReLU|Var|arth|clip|diag|rank|sigm|sign|tr|vol)\})")
WORDS = re.compile(r"\bmjx-[A-Za-z0-9-]+|\bTEX-[A-Z0-9]+|\bMJX[A-Z0-9-]+")

SPOKEN = {  # macros that stand in the heads of tables; what only shapes a letter is not spoken
    "alpha": "альфа",
    "ell": "эль",
    "beta": "бета",
    "chi": "хи",
    "delta": "дельта",
    "epsilon": "эпсилон",
    "eta": "эта",
    "gamma": "гамма",
    "lambda": "лямбда",
    "nu": "ню",
    "omega": "омега",
    "pi": "пи",
    "rho": "ро",
    "sigma": "сигма",
    "tau": "тау",
    "varepsilon": "эпсилон",
    "partial": "дэ",
    "sum": "сумма",
    "prod": "произведение",
    "sqrt": "корень из",
    "frac": "дробь",
    "lVert": "норма",
    "rVert": "",
    "lvert": "модуль",
    "rvert": "",
    "log": "логарифм",
    "ln": "натуральный логарифм",
    "max": "макс",
    "min": "мин",
    "ge": "не меньше",
    "le": "не больше",
    "cdot": "на",
    "mathcal": "",
    "mathrm": "",
}


def source_of(node: nodes.math | nodes.math_block) -> str:
    """Return the TeX of a node, with the environments that Sphinx promises for line breaks and empty lines."""
    text = OPERATORS.sub(r"\\operatorname{", node.astext())  # with a thin space before what follows without a bracket
    if isinstance(node, nodes.math) or node.get("nowrap"):
        return text.strip()
    parts = [part.strip() for part in text.split("\n\n") if part.strip()]
    parts = [
        rf"\begin{{split}}{part}\end{{split}}" if r"\\" in part and r"\begin" not in part else part for part in parts
    ]
    if len(parts) == 1:
        return parts[0]
    return r"\begin{aligned}" + r"\\".join(parts) + r"\end{aligned}"


def container(app: Sphinx, node: nodes.math | nodes.math_block) -> str:
    """Return the HTML of a formula."""
    display = isinstance(node, nodes.math_block)
    formula = app.chapter_formulas.get(source_of(node), display)  # type: ignore[attr-defined]
    tex = escape(node.astext().strip())
    if "error" in formula:
        return f"<code>{tex}</code>"
    kind = ' display="true"' if display else ' class="wide"' if formula["width"] > WIDE else ""
    mathml = formula["mathml"]
    if in_heading(node):
        mathml = mathml.replace("<math", f'<math aria-label="{spoken(node.astext())}"', 1)
    html = formula["html"].replace("<mjx-math", '<mjx-math aria-hidden="true"', 1)
    html = html.replace(' style="font-family: MJXZERO, inherit;"', "")  # no browser obeys it: it is not CSS
    return f'<mjx-container jax="CHTML"{kind} data-tex="{tex}">{html}{mathml}</mjx-container>'


def in_heading(node: nodes.Node) -> bool:
    """Tell whether a formula stands in the head of a table, where it names a column."""
    while node.parent is not None and not isinstance(node, nodes.thead):
        node = node.parent
    return isinstance(node, nodes.thead)


def spoken(tex: str) -> str:
    """Return a formula in Russian words, for where no MathML is read: «формула: сигма_макс (W)»."""
    words = re.sub(r"\\([A-Za-z]+)", lambda macro: f" {SPOKEN.get(macro[1], macro[1])} ", tex)
    words = re.sub(r"\\.|[{}]", "", words)
    return escape("формула: " + re.sub(r"\s*([_^/])\s*", r"\1", re.sub(r"\s+", " ", words)).strip())


def visit_math(self: Any, node: nodes.math) -> NoReturn:
    """Write a formula of the text."""
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    self.body.append(f"{container(self.builder.app, node)}</span>")
    raise nodes.SkipNode


def visit_math_block(self: Any, node: nodes.math_block) -> NoReturn:
    """Write a formula on a line of its own, and its number after it."""
    self.body.append(self.starttag(node, "div", "", CLASS="math notranslate nohighlight"))
    self.body.append(f'<div class="formula">{container(self.builder.app, node)}</div>')
    if node.get("number"):
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def typeset_page(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Typeset all formulas of a page at once, and say which of them cannot be set."""
    if app.builder.format != "html":
        return
    found = [node for kind in (nodes.math, nodes.math_block) for node in doctree.findall(kind)]
    formulas: Formulas = app.chapter_formulas  # type: ignore[attr-defined]
    formulas.add((source_of(node), isinstance(node, nodes.math_block)) for node in found)
    for node in found:
        error = formulas.get(source_of(node), isinstance(node, nodes.math_block)).get("error")
        if error:
            cure = next((cure for beginning, cure in CURES.items() if error.startswith(beginning)), CURE)
            text = " ".join(node.astext().split())
            logger.warning("formula %s: %s; %s", text, error, cure, location=place_of(node, error))


def place_of(node: nodes.math | nodes.math_block, error: str) -> str:
    """Return file and line of a formula, or of the macro in it that nobody knows; docutils knows only its paragraph."""
    block: nodes.Node = node
    while block.line is None and block.parent is not None:
        block = block.parent
    file, line = Path(block.source or ""), block.line or 1
    if file.is_file():
        rest = "".join(file.read_text(encoding="utf-8").splitlines(keepends=True)[line - 1 :])
        formula = max(rest.find(node.astext().strip()), 0)
        macro = rest.find(error.removeprefix(UNKNOWN), formula) if error.startswith(UNKNOWN) else -1
        line += rest.count("\n", 0, macro if macro >= 0 else formula * isinstance(node, nodes.math))
    return f"{file}:{line}"


def glue_to_neighbours(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Let no line begin with the comma after a formula, or end with the bracket before it."""
    for node in list(doctree.findall(nodes.math)):
        parent, place = node.parent, node.parent.index(node)
        before, after = "", ""
        if place + 1 < len(parent) and isinstance(parent[place + 1], nodes.Text):
            after = found[0] if (found := CLOSING.search(parent[place + 1])) else ""
        if place > 0 and isinstance(parent[place - 1], nodes.Text):
            before = found[0] if (found := OPENING.search(parent[place - 1])) else ""
        if not before and not after:
            continue
        if after:
            parent[place + 1] = nodes.Text(parent[place + 1][len(after) :])  # replace() would find the first equal text
        if before:
            parent[place - 1] = nodes.Text(parent[place - 1][: -len(before)])
        glued = nodes.inline("", classes=["nowrap"])
        parent.replace(node, glued)
        glued += [nodes.Text(before), node, nodes.Text(after)]


def plain(mathml: str) -> str:
    """Return a formula as the characters it consists of."""
    return unescape(re.sub(r"<[^>]*>", "", mathml.replace("<msqrt>", "√").replace("<math", " <math"))).strip()


def used_rules(style_sheet: str, words: set[str]) -> list[str]:
    """Return the rules of MathJax's style sheet of which the pages hold every element and class."""
    rules = [rule for rule in style_sheet.strip().split("\n\n") if not rule.startswith("@font-face")]
    kept = []
    for rule in rules:
        selectors = re.sub(r"/\*.*?\*/", "", rule.split("{")[0]).split(",")
        if any(set(WORDS.findall(selector)) <= words for selector in selectors):
            kept.append(rule)
    return kept


def characters_of(family: str, rules: list[str]) -> set[int]:
    """Return the characters that the rules take from a font: those of its class, of none, or of stretched signs."""
    found: set[int] = set()
    for rule in rules:
        classes = set(re.findall(r"\.(TEX-[A-Z0-9]+)", rule.split("{")[0]))
        shown = re.search(r'content: "((?:[^"\\]|\\.)*)"', rule)
        if shown and (family.removeprefix("MJX") in classes or not classes):
            text = re.sub(r"\\([0-9A-F]+) ?", lambda code: chr(int(code[1], 16)), shown[1])
            if classes or family == "MJXTEX" or "stretchy" in rule:
                found |= {ord(char) for char in text}
    return found


def font_face(rule: str, characters: set[int]) -> str:
    """Put the characters of a font that the book uses into its rule."""
    name = re.search(r'url\("\./([\w-]+\.woff)"\)', rule)
    if name is None:
        return rule
    options = subset.Options(flavor="woff", recalc_timestamp=False, notdef_outline=True)
    options.drop_tables += ["FFTM"]  # the time of an editor
    font = subset.load_font(str(FONTS / name[1]), options)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=characters & set(font.getBestCmap()) or set(font.getBestCmap()))
    cutter.subset(font)
    data = io.BytesIO()
    font.save(data, reorderTables=False)
    return rule.replace(f"./{name[1]}", f"data:font/woff;base64,{base64.b64encode(data.getvalue()).decode()}")


def write_style_sheet(app: Sphinx, error: Exception | None) -> None:
    """Write one style sheet for all pages, with the rules and the characters that they use, and keep the formulas."""
    if error or app.builder.format != "html":
        return
    formulas: Formulas = app.chapter_formulas  # type: ignore[attr-defined]
    formulas.add([])
    formulas.save()
    pages = [file.read_text(encoding="utf-8") for file in sorted(Path(app.outdir).rglob("*.html"))]
    rules = used_rules(formulas.style_sheet, {word for page in pages for word in WORDS.findall(page)})
    text = "\n".join(rules)
    faces = [rule for rule in formulas.style_sheet.split("\n\n") if rule.strip().startswith("@font-face")]
    families = set(re.findall(r"\bMJX[A-Z0-9-]+", text))
    used = [
        font_face(rule, characters_of(name, rules)) for rule in faces for name in set(WORDS.findall(rule)) & families
    ]
    Path(app.outdir, "_static", "formulas.css").write_text("\n".join([text, *used, ""]), encoding="utf-8", newline="\n")


def begin(app: Sphinx) -> None:
    """Find the formulas of earlier builds."""
    app.chapter_formulas = Formulas(Path(app.outdir).parent / ".formulas")  # type: ignore[attr-defined]


def setup(app: Sphinx) -> dict[str, bool]:
    """Set formulas when a page is complete, and write the style sheet when all pages are."""
    app.add_html_math_renderer("formulas", (visit_math, None), (visit_math_block, None))
    app.connect("builder-inited", begin)
    app.connect("doctree-resolved", typeset_page, priority=900)
    app.connect("doctree-resolved", glue_to_neighbours, priority=950)
    app.connect("build-finished", write_style_sheet, priority=700)
    app.add_css_file("formulas.css", priority=300)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
