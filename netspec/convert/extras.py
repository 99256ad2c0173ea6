"""Packages that conversion needs only for some formats, imported when they are."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from netspec.errors import UsageError


def load(module: str, what: str, install: str) -> Any:
    """A module that is no dependency of netspec.

    Raises:
        UsageError: it is not installed; says what needs it and how to get it.
    """
    try:
        return import_module(module)
    except ImportError:
        package = module.split(".")[0]
        problem = f"{what} needs {package}, which is not installed."
        raise UsageError(problem, f"pip install {install}") from None


def load_onnx() -> Any:
    """The onnx package."""
    return load("onnx", "ONNX", "'netspec[onnx]'")


def installed(module: str) -> bool:
    """Whether a package can be imported, without importing it."""
    return find_spec(module) is not None
