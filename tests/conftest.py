"""One thread, since a second one slows loops over small matrices many times over; and which tests share a worker."""

import pytest
import torch

torch.set_num_threads(1)

LONG = ["test_reproducible.py", "test_faults.py", "test_grading.py"]  # one of them at the end would leave workers idle


@pytest.hookimpl(tryfirst=True)  # before the workers take the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file together, so that its fixtures are made once; begin with what is long."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))
