"""Experiments: what the cells of a page run, under the name of the page that introduces them."""
