"""Experiments of the page ``exploding``: one module a topic."""
