"""Bytes that one rank has and all need."""

from __future__ import annotations

import numpy as np

from netspec.sync.base import Synchronizer


def share_bytes(sync: Synchronizer, data: bytes) -> bytes:
    """What rank 0 gives as *data*, on every rank."""
    length = np.array([len(data)], np.int64)
    sync.broadcast(length)
    values = np.frombuffer(data.ljust(int(length[0]), b"\0"), np.uint8).copy()
    values = values[: int(length[0])]
    sync.broadcast(values)
    return values.tobytes()
