"""Proofs and theorems: what ``sphinx_proof`` gets wrong.

- ``{prf:proof}`` prints its title in English and glues it to the source of the first line, so a proof that begins
  with a formula or a list prints as raw text. Here the title is a node of its own.
- The bodies of all theorems on a page have the same id.
- ``{numref}`` knows theorems only by a second label; here the label of the directive suffices.
"""

from typing import cast

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain
from sphinx.util.docutils import SphinxDirective
from sphinx_proof.nodes import NODE_TYPES, proof_node

BODY_ID = "proof-content"


class ProofDirective(SphinxDirective):
    """A proof: «Доказательство.» and whatever follows, be it words, a formula or a list."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Parse the content and put the title into its first paragraph, or before it."""
        self.assert_has_content()
        body = nodes.admonition(classes=["proof"])
        self.state.nested_parse(self.content, self.content_offset, body)
        title = nodes.inline("", "Доказательство.", classes=["proof-title"])
        if body.children and isinstance(body[0], nodes.paragraph):
            body[0][:0] = [title, nodes.Text(" ")]
        else:
            body.insert(0, nodes.paragraph("", "", title))
        node = proof_node("", body)
        self.set_source_info(node)
        return [node]


def settle_ids_and_labels(app: Sphinx, document: nodes.document) -> None:
    """Name each body after its own theorem, and make theorems known to ``{numref}``."""
    labels = cast(StandardDomain, app.env.get_domain("std"))
    for section in document.findall(nodes.section):
        if section["ids"] and section["ids"][0] == BODY_ID and section.parent["ids"]:
            section["ids"] = [f"{section.parent['ids'][0]}-body"]
    for node in document.findall(lambda n: isinstance(n, tuple(NODE_TYPES.values()))):
        label = node["label"]
        node["ids"] = list(dict.fromkeys(node["ids"]))  # twice the same if «(label)=» stands before the directive
        document.ids.setdefault(label, node)
        labels.anonlabels.setdefault(label, (app.env.docname, label))
        labels.labels.setdefault(label, (app.env.docname, label, node["title"]))


def setup(app: Sphinx) -> dict[str, bool]:
    """Replace the directive and connect the repair of the ids."""
    app.add_directive_to_domain("prf", "proof", ProofDirective, override=True)
    app.connect("doctree-read", settle_ids_and_labels, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
