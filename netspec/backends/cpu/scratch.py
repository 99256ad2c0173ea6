"""Scratch memory of a thread: kept from one operation to the next."""

from __future__ import annotations

import threading

import numpy as np

from netspec.backends.cpu.recording import spoil

LASTING = 1 << 24  # float32 values of scratch, up to which it is kept: 64 MB
ALIGNMENT = 64  # bytes: a cache line, and the widest vector

_local = threading.local()


def buffer(name: str, size: int) -> np.ndarray:
    """This thread's scratch of that name: *size* float32 values, aligned.

    What it holds is anything; the next call with the same name may give the same
    memory, which is kept unless it is very large.
    """
    held = _local.__dict__.get(name)
    if held is None or held.size < size:
        held = aligned(size)
        if size <= LASTING:
            _local.__dict__[name] = held
        else:
            spoil()  # a recording would keep it
    return held[:size]


def aligned(size: int, dtype: str = "float32") -> np.ndarray:
    """*size* zeros that begin where a cache line does."""
    kind = np.dtype(dtype)
    length = size * kind.itemsize
    raw = np.zeros(length + ALIGNMENT, np.uint8)
    skip = -raw.ctypes.data % ALIGNMENT
    return raw[skip : skip + length].view(kind)
