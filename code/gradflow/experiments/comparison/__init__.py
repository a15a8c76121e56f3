"""Experiments of the page ``comparison``: one module a topic."""
