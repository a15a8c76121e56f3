"""What is installed is said exactly, and nobody's package server is named."""

import re
import subprocess

from bookmaker import ROOT

PIN = re.compile(r"([A-Za-z0-9_.-]+)==([\w.]+)")


def pins(name: str) -> dict[str, str]:
    """Return the version of every package that a file pins, by the package's normal name."""
    lines = [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if line and line[0] not in "#-"]
    matches = [PIN.fullmatch(line) for line in lines]
    assert all(matches), f"{name}: not every line is name==version"
    return {re.sub(r"[-_.]+", "-", match[1]).lower(): match[2] for match in matches}


def test_lock_agrees_with_requirements() -> None:
    locked = pins("constraints.txt")
    for name in ("requirements.txt", "requirements-test.txt"):
        for package, version in pins(name).items():
            assert locked.get(package) == version, package


def test_lock_holds_no_accelerator() -> None:
    assert [name for name in pins("constraints.txt") if name.startswith(("nvidia", "cuda", "triton"))] == []


def test_no_package_server_is_named() -> None:
    options = ("--index-url", "--extra-index-url", "--find-links", "--trusted-host")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    for name in [name for name in tracked if name.endswith((".txt", ".toml", ".yml", "Makefile", "run"))]:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not [option for option in options if option in text], name
