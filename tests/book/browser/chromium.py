"""Finds the Chromium that the browser tests drive and that prints the PDF; run as a script, installs the distribution's if there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge"]
PLACES = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
]
ADVICE = """The browser tests and the PDF need Chromium or Chrome, and none was found.
Install one of them (Debian, Ubuntu: apt-get install chromium; elsewhere: your system's way)
or name the program in the environment: CHROMIUM=/path/to/chrome make test (or make pdf)"""


def find() -> str | None:
    """Return the path of a Chromium, or None."""
    named = os.environ.get("CHROMIUM")
    found = [shutil.which(name) for name in NAMES] + [place for place in PLACES if Path(place).exists()]
    return named or next((path for path in found if path), None)


def install() -> None:
    """Try to install the distribution's Chromium: as root, or through sudo where it asks no password."""
    if not shutil.which("apt-get"):
        return
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if root and not shutil.which("sudo"):
        return
    for command in (["apt-get", "update"], ["apt-get", "install", "--yes", "--no-install-recommends", "chromium"]):
        subprocess.run([*root, *command], stdout=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    if find() is None:
        install()
    if find() is None:
        sys.exit(ADVICE)
    print(f"browser: {find()}")
