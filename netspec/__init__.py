"""Caffe-style convolutional networks: prototxt in, trained and tested models out.

``netspec.Net`` and ``netspec.Solver`` are the whole of the everyday interface; they are
loaded at first use, so that ``import netspec`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netspec.net import Net
    from netspec.solver import Solver

__version__ = "0.1.0"
__all__ = ["Net", "Solver", "__version__"]

_HOMES = {"Net": "netspec.net", "Solver": "netspec.solver"}


def __getattr__(name: str) -> Any:
    """Load a public class when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'netspec' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
