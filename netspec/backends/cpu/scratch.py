"""Scratch memory of a thread: kept from one operation to the next."""

from __future__ import annotations

import threading

import numpy as np

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
    return held[:size]


def aligned(size: int) -> np.ndarray:
    """*size* float32 values that begin where a cache line does."""
    spare = ALIGNMENT // 4
    raw = np.zeros(size + spare, np.float32)
    skip = -raw.ctypes.data % ALIGNMENT // 4
    return raw[skip : skip + size]
