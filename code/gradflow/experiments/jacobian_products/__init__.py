"""Experiments of the page ``jacobian_products``: one module a topic."""
