"""Experiments of the page ``deep_networks``: one module a topic."""
