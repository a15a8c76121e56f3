"""Solutions: ``{solution-start} ex-<name>`` … ``{solution-end}`` folds what stands between, executed cells included.

The fold is a native ``<details>``, like the ``{dropdown}`` of a hint.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective
from sphinx_design.shared import create_component, is_component

from chapter.exercises import exercise


class solution_start(nodes.Invisible, nodes.Element):
    """Where a folded solution begins."""


class solution_end(nodes.Invisible, nodes.Element):
    """Where it ends."""


class SolutionStartDirective(SphinxDirective):
    """Begins the solution of the exercise with this label."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Mark the place."""
        node = solution_start(label=self.arguments[0])
        self.set_source_info(node)
        return [node]


class SolutionEndDirective(SphinxDirective):
    """Ends it."""

    def run(self) -> list[nodes.Node]:
        """Mark the place."""
        node = solution_end()
        self.set_source_info(node)
        return [node]


def folded(children: list[nodes.Node]) -> nodes.Node:
    """The block that ``{dropdown} Решение`` would make of them."""
    return create_component(
        "dropdown",
        children=[nodes.rubric("", "Решение"), *children],
        opened=False, type="dropdown", has_title=True, icon=None, chevron=None,
        container_classes=["sd-mb-3", "solution"], title_classes=[], body_classes=[],
    )  # fmt: skip


class FoldSolutions(SphinxTransform):
    """Move what stands between the two gates into one folded block."""

    default_priority = 215

    def apply(self, **kwargs: Any) -> None:
        """Fold every solution; tell which does not end, and which has not begun."""
        for start in list(self.document.findall(solution_start)):
            siblings = start.parent.children
            first = siblings.index(start)
            gates = (solution_start, solution_end)
            last = next((i for i in range(first + 1, len(siblings)) if isinstance(siblings[i], gates)), None)
            if last is None or isinstance(siblings[last], solution_start):
                self.document.reporter.warning(
                    f"the solution of {start['label']} does not end before the next heading or solution",
                    base_node=start,
                )
                start.parent.remove(start)
                continue
            start.parent[first : last + 1] = [folded(siblings[first + 1 : last])]
        for end in list(self.document.findall(solution_end)):
            self.document.reporter.warning("a solution ends that has not begun", base_node=end)
            end.parent.remove(end)
        for node in self.document.findall(exercise):
            self._say_whose_fold_it_is(node)

    @staticmethod
    def _say_whose_fold_it_is(node: exercise) -> None:
        """A list of buttons «Подсказка», «Ответ», «Решение» ten times over helps nobody: name the exercise, unseen."""
        siblings = node.parent.children
        for sibling in siblings[siblings.index(node) + 1 :]:
            if isinstance(sibling, (exercise, nodes.section)):
                return
            if is_component(sibling, "dropdown") and isinstance(sibling[0], nodes.rubric):
                sibling[0] += nodes.inline("", f" к задаче «{node[0].astext()}»", classes=["visually-hidden"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the gates and the fold between them."""
    app.add_directive("solution-start", SolutionStartDirective)
    app.add_directive("solution-end", SolutionEndDirective)
    app.add_transform(FoldSolutions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
