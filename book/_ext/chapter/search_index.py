"""The search finds places, not pages: sections, theorems, exercises, figures, terms, and shows the text around a hit.

From a folder a browser fetches nothing, so the index is a script, and the search page alone loads it: the text of every
place, from which ``search.js`` makes its tables when the page is opened. Hints, answers and solutions stay out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.locale import get_translation
from sphinx_design.dropdown import dropdown_main
from sphinx_proof.nodes import NODE_TYPES

from chapter.exercises import exercise, exercise_title
from chapter.formulas import plain, source_of

# What a reader may type in English beside the terms of the glossary, which bring their own translation.
ENGLISH = {
    "activation": "активация",
    "attention": "внимание",
    "bias": "сдвиг",
    "cell": "ячейка",
    "chaos": "хаос",
    "clipping": "отсечение",
    "depth": "глубина",
    "eigenvalue": "собственное число",
    "exercise": "задача",
    "exploding": "взрыв",
    "forget": "забывание",
    "gate": "вентиль",
    "gradient": "градиент",
    "initialization": "инициализация",
    "jacobian": "якобиан",
    "layer": "слой",
    "loss": "потеря",
    "matrix": "матрица",
    "memory": "память",
    "noise": "шум",
    "norm": "норма",
    "normalization": "нормализация",
    "orthogonal": "ортогональный",
    "precision": "точность",
    "proof": "доказательство",
    "random": "случайный",
    "recurrent": "рекуррентный",
    "residual": "остаточный",
    "step": "шаг",
    "theorem": "теорема",
    "threshold": "порог",
    "training": "обучение",
    "vanishing": "затухание",
    "weight": "вес",
    "width": "ширина",
}
FOLDS_OF_EXERCISES = ("Подсказка", "Ответ", "Решение")
PROOFS: tuple[type[nodes.Element], ...] = tuple(NODE_TYPES.values())
UNSEEN = {"card-label", "cell_input", "exercise-meta", "exercise-table", "feedback", "visually-hidden"}
LEFT_OUT = (nodes.Invisible, nodes.literal_block, nodes.math_block, nodes.title, exercise_title)
LABEL = re.compile(r'class="gradflow-chart" role="img" aria-label="([^"]*)"')


@dataclass
class Place:
    """Where a search may lead: what it is, its title, its section, its text."""

    anchor: str
    kind: str
    title: str
    section: str
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text, on one line."""
        return re.sub(r"\s+([,.;:!?)»])", r"\1", re.sub(r"\s+", " ", "".join(self.pieces))).strip()


@dataclass
class Collector:
    """Walks through a page and collects its places."""

    app: Sphinx
    docname: str
    places: list[Place] = field(default_factory=list)

    def numbered(self, word: str, kind: str, node: nodes.Element) -> str:
        """«Теорема 3»: the number that the book prints."""
        numbers = self.app.env.toc_fignumbers.get(self.docname, {}).get(kind, {})
        number = next((numbers[name] for name in node["ids"] if name in numbers), ())
        return " ".join([word, ".".join(map(str, number))]).strip()

    def inline(self, node: nodes.Element) -> str:
        """The text of a heading, with formulas as they look."""
        place = Place("", "", "", "")
        self.walk_children(node, place)
        return place.text

    def begin(self, node: nodes.Element, outer: Place) -> Place | None:
        """Return the place that begins with a node, if one does."""
        if isinstance(node, nodes.section) and isinstance(node[0], nodes.title):
            title = self.inline(node[0])
            return Place(node["ids"][0], "", title, title)
        if isinstance(node, PROOFS):
            word = get_translation("proof")(node["realtype"].title())
            title = self.inline(node[0]) if isinstance(node[0], nodes.title) else ""
            return Place(
                node["ids"][0], self.numbered(str(word), node["countertype"], node), title.strip("()"), outer.section
            )
        if isinstance(node, exercise):
            kind = self.numbered("Задача", "exercise", node)
            return Place(node["ids"][0], kind, self.inline(node[0]), outer.section)
        if isinstance(node, nodes.figure) and node["ids"]:
            return Place(node["ids"][0], self.numbered("Рис.", "figure", node), "", outer.section)
        if isinstance(node, nodes.definition_list_item) and isinstance(node.parent.parent, addnodes.glossary):
            terms = [term.astext() for term in node.findall(nodes.term)]
            rest = f" ({', '.join(terms[1:])})" if terms[1:] else ""
            return Place(node[0]["ids"][0], "Термин", terms[0] + rest, outer.section)
        return None

    def walk(self, node: nodes.Node, place: Place) -> None:
        """Add what a node holds to a place, or begin a new one."""
        if isinstance(node, nodes.Text):
            place.pieces.append(str(node))
        elif isinstance(node, nodes.math):
            formula = self.app.chapter_formulas.get(source_of(node), display=False)  # type: ignore[attr-defined]
            place.pieces.append(plain(formula.get("mathml", "")))
        elif isinstance(node, nodes.raw):
            place.pieces += [f"{label} " for label in LABEL.findall(node.astext())]
        elif isinstance(node, nodes.Element) and not is_left_out(node):
            began = self.begin(node, place)
            if began is not None:
                self.places.append(began)
            self.walk_children(node, began or place)

    def walk_children(self, node: nodes.Element, place: Place) -> None:
        """Walk through the children of a node; what is no part of a line stands apart."""
        for child in node.children:
            self.walk(child, place)
        if not isinstance(node, nodes.Inline):
            place.pieces.append(" ")


def is_left_out(node: nodes.Element) -> bool:
    """Tell whether a node is told elsewhere, is no text, or would give a solution away."""
    if isinstance(node, LEFT_OUT) or UNSEEN & set(node.get("classes", [])):
        return True
    if isinstance(node, nodes.term):
        return isinstance(node.parent.parent.parent, addnodes.glossary)
    return isinstance(node, dropdown_main) and node[0].astext().startswith(FOLDS_OF_EXERCISES)


def kept(app: Sphinx, docname: str) -> Path:
    """Where the places of a page wait for the other pages, and for the next build."""
    return Path(app.doctreedir, f"{docname}.places.json")


def collect(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Remember the places of a page."""
    if app.builder.format != "html":
        return
    collector = Collector(app, docname)
    collector.walk(doctree, Place("", "", "", ""))
    found = [[one.anchor, one.kind, one.title, one.section, one.text] for one in collector.places]
    file = kept(app, docname)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")


def translations(places: list[list[str]]) -> Iterator[tuple[str, str]]:
    """Yield what a glossary calls its terms in English, and in Russian."""
    for _, kind, title, *_ in places:
        russian, _, others = title.partition(" (")
        if kind == "Термин":
            for name in others.rstrip(")").split(", "):
                if re.fullmatch("[A-Za-z][A-Za-z -]+", name):
                    yield name.lower(), russian


def write_index(app: Sphinx, error: Exception | None) -> None:
    """Write the places of all pages as a script."""
    if error or app.builder.format != "html":
        return
    pages: list[list[str]] = []
    places: list[list[str | int]] = []
    terms = dict(ENGLISH)
    for docname in (name for name in reading_order(app) if kept(app, name).exists()):
        found = json.loads(kept(app, docname).read_text(encoding="utf-8"))
        if found:
            terms.update(translations(found))
            places += [[len(pages), *place] for place in found]
            pages.append([app.builder.get_target_uri(docname), found[0][2]])
    index = {"pages": pages, "places": places, "terms": sorted(terms.items())}
    text = json.dumps(index, ensure_ascii=False, separators=(",", ":"))
    text = text.replace('],["', '],\n["').replace("],[", "],\n[")
    file = Path(app.outdir, "_static", "search_index.js")
    file.write_text(f"window.gradflowIndex = {text};\n", encoding="utf-8", newline="\n")


def reading_order(app: Sphinx) -> list[str]:
    """The pages as the table of contents lists them."""
    found = [app.config.root_doc]
    for docname in found:  # it grows meanwhile
        found += [name for name in app.env.toctree_includes.get(docname, []) if name not in found]
    return found


def use_own_search(app: Sphinx, page: str, template: str, context: dict[str, object], doctree: object) -> str | None:
    """Take the search page of this book."""
    return "book_search.html" if page == "search" else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Collect when the formulas are set and before neighbours are glued to them."""
    app.config.templates_path.append(str(Path(__file__).parent / "templates"))
    app.connect("doctree-resolved", collect, priority=930)
    app.connect("html-page-context", use_own_search)
    app.connect("build-finished", write_index, priority=550)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
