"""The global random state: modules of torch.nn draw their first weights from it and take no generator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def global_seed(seed: int = 0) -> Iterator[None]:
    """Inside, the global random state of the CPU is that of ``seed``; afterwards it is what it was before."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed accelerators, too, for good
        yield
