"""Experiments of the page ``bptt``: one module a topic."""
