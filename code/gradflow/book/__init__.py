"""The vocabulary of the pages: figures in one style, numbers as a Russian reader expects them, seeded generators.

Importing it makes torch use one thread: on matrices as small as the book's, a second one slows loops many times over.
"""

import torch

from gradflow.book.drawings import draw_cell_paths, draw_unrolled, plot_fan, plot_profile
from gradflow.book.figures import (
    BLUE,
    GOLD,
    GRAY,
    GREEN,
    PURPLE,
    RED,
    Chart,
    heatmap,
    log_scale,
    plot_band,
    plot_curves,
)
from gradflow.book.gluing import glue
from gradflow.book.moving import Choice, Slider, page_normals
from gradflow.book.prose import decimal, say, table, written

__all__ = [
    "BLUE",
    "GOLD",
    "GRAY",
    "GREEN",
    "PURPLE",
    "RED",
    "Chart",
    "Choice",
    "Slider",
    "decimal",
    "draw_cell_paths",
    "draw_unrolled",
    "glue",
    "heatmap",
    "log_scale",
    "page_normals",
    "plot_band",
    "plot_curves",
    "plot_fan",
    "plot_profile",
    "say",
    "seeded",
    "table",
    "written",
]

torch.set_num_threads(1)


def seeded(seed: int) -> torch.Generator:
    """Return a new generator of random numbers that starts from ``seed``."""
    return torch.Generator().manual_seed(seed)
