"""Print the versions of netspec, Python and the libraries that compute."""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = ("numpy", "numba", "scipy", "protobuf", "lmdb", "pillow", "simplejpeg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def run(args: argparse.Namespace) -> int:
    """Print one name and version a line."""
    print(f"netspec {_version('netspec')}")
    print(f"python {platform.python_version()}")
    for library in LIBRARIES:
        print(f"{library} {_version(library)}")
    return 0


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"
