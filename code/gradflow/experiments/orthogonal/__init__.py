"""Experiments of the page ``orthogonal``: one module a topic."""
