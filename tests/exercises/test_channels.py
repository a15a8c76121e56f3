"""Kernels that start at the same moment do not take each other's ports, for they have none."""

import socket
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from jupyter_client.manager import KernelManager

from gradflow.exercises._channels import without_ports


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has ports only")
def test_kernel_is_reached_by_files() -> None:
    with TemporaryDirectory() as folder:
        manager = KernelManager(config=without_ports(folder))
        manager.start_kernel()
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=300)
            reached = sorted(file.name for file in Path(folder).iterdir())
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    assert reached == [*(f"kernel-ipc-{number}" for number in range(1, 6)), "kernel.json"]
