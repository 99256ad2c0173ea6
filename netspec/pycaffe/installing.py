"""Answering to the name ``caffe``."""

from __future__ import annotations

import sys
from importlib import import_module

from netspec.errors import UsageError

_HOME = "netspec.pycaffe"
_MODULES = (
    *("_caffe", "classifier", "coord_map", "detector", "draw", "io", "net_spec"),
    *("proto", "proto.caffe_pb2", "pycaffe"),
)


def install() -> None:
    """Let ``import caffe``, and what stands inside it, mean this package from now on.

    Raises:
        UsageError: another ``caffe`` has been imported already.
    """
    package = import_module(_HOME)
    known = sys.modules.get("caffe", package)
    if known is not package:
        raise UsageError(
            f"another caffe has been imported: {getattr(known, '__file__', known)}.",
            "Call netspec.pycaffe.install() before anything imports caffe.",
        )
    sys.modules["caffe"] = package
    for name in _MODULES:
        sys.modules[f"caffe.{name}"] = import_module(f"{_HOME}.{name}")
