"""Experiments of the page ``random_matrices``: one module a topic."""
