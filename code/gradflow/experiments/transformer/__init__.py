"""Experiments of the page on transformers: signals of new networks, training, spikes, and paths through time."""
