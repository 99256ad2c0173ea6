"""The modules that stand for ``cupy`` and those in it, and their installation."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from tests.cudasim.standin import (
    arrays,
    device,
    functions,
    memory,
    modules,
    nccl,
    real,
    runtime,
    streams,
)
from tests.cudasim.standin.world import Settings, World, enter, leave

_BACKEND = "netspec.backends.cuda"
VERSION = "14.2.0"


def _module(name: str, **members: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(members)
    return made


def _public(module: ModuleType) -> dict[str, Any]:
    return {n: v for n, v in vars(module).items() if not n.startswith("_")}


def _cuda() -> dict[str, ModuleType]:
    """``cupy.cuda`` and its modules, by name."""
    parts = {
        "memory": _module("cupy.cuda.memory", **_public(memory)),
        "pinned_memory": _module("cupy.cuda.pinned_memory", **_public(memory)),
        "stream": _module("cupy.cuda.stream", **_public(streams)),
        "device": _module("cupy.cuda.device", **_public(device)),
        "runtime": runtime,
        "nccl": _module("cupy.cuda.nccl", **nccl.public()),
        "nvrtc": _module("cupy.cuda.nvrtc", getVersion=lambda: (13, 2)),
        "nvtx": _module("cupy.cuda.nvtx", RangePush=_nothing, RangePop=_nothing),
        "driver": _module("cupy.cuda.driver", CUDADriverError=modules.CUDADriverError),
    }
    own = {n: m for n, m in parts.items() if n != "nccl"}
    cuda = _module(
        "cupy.cuda",
        **own,
        Device=device.Device,
        get_device_id=device.get_device_id,
        is_available=lambda: True,
        **{n: getattr(streams, n) for n in _STREAMS},
        **{n: getattr(memory, n) for n in _MEMORY},
    )
    cuda.__path__ = []
    return {"cupy.cuda": cuda, **{f"cupy.cuda.{n}": m for n, m in parts.items()}}


_STREAMS = [
    "Stream",
    "ExternalStream",
    "Event",
    "get_current_stream",
    "get_elapsed_time",
]
_MEMORY = [
    "MemoryPool",
    "MemoryPointer",
    "UnownedMemory",
    "PinnedMemoryPool",
    "PinnedMemoryPointer",
    "alloc",
    "set_allocator",
    "alloc_pinned_memory",
    "set_pinned_memory_allocator",
]


def _nothing(*_: Any, **__: Any) -> None:
    pass


def _fall_back(name: str) -> Any:
    """What is asked of ``cupy`` and is not here: NumPy's, where CuPy has it."""
    if name.startswith("__") or not real.exists(name):
        raise AttributeError(f"module 'cupy' has no attribute {name!r}")
    found = getattr(np, name)
    if isinstance(found, ModuleType):
        return SimpleNamespace(
            **{
                n: functions.function(f"{name}.{n}")
                for n in dir(found)
                if not n.startswith("_") and real.exists(f"{name}.{n}")
            }
        )
    if isinstance(found, type) or not callable(found):
        return found
    return functions.function(name)


def _cupy() -> dict[str, ModuleType]:
    cuda = _cuda()
    cupy = _module(
        "cupy",
        __version__=VERSION,
        ndarray=arrays.ndarray,
        RawModule=modules.RawModule,
        cuda=cuda["cupy.cuda"],
        is_available=lambda: True,
        get_default_memory_pool=memory.get_default_memory_pool,
        get_default_pinned_memory_pool=memory.get_default_pinned_memory_pool,
        **functions.OWN,
    )
    vars(cupy)["__getattr__"] = _fall_back
    cupy.__path__ = []
    return {"cupy": cupy, "cupy.cublas": _module("cupy.cublas"), **cuda}


def _replaced(name: str) -> bool:
    """Modules that are, or hold on to, a CuPy."""
    is_backend = name == _BACKEND or name.startswith(f"{_BACKEND}.")
    return name.split(".")[0] in ("cupy", "cupyx") or is_backend


def _take_out() -> dict[str, ModuleType]:
    found = {n: m for n, m in sys.modules.items() if _replaced(n)}
    for name in found:
        del sys.modules[name]
    backends = sys.modules.get("netspec.backends")
    if backends is not None:
        vars(backends).pop("cuda", None)
    return found


@contextmanager
def install(**settings: Any) -> Iterator[World]:
    """Have ``import cupy`` find the stand-in, and the backend anew with it.

    Args:
        settings: of :class:`Settings`.
    """
    made = World(Settings(**settings))
    before = _take_out()
    enter(made)
    sys.modules.update(_cupy())
    try:
        yield made
    finally:
        _take_out()
        sys.modules.update(before)
        leave(made)
