"""How a kernel is reached."""

import socket
from pathlib import Path

from traitlets.config import Config


def without_ports(folder: str | Path) -> Config:
    """Return the settings of a kernel that is reached by files in ``folder``, where the system has such sockets.

    Ports are chosen before the kernel takes them: of two that start at once, one may find its port taken, and die.
    """
    if not hasattr(socket, "AF_UNIX"):
        return Config()
    return Config(KernelManager={"transport": "ipc", "connection_file": str(Path(folder, "kernel.json"))})
