"""Which way the arrays of a device travel."""

from __future__ import annotations

from typing import Any

from netspec.sync.base import Synchronizer


def for_device(sync: Synchronizer, ops: Any) -> Synchronizer:
    """The same ranks, for arrays of the host and of the device of *ops*.

    Raises:
        UsageError, DeviceError: GPUs are to talk, and cannot.
    """
    if sync.size == 1 or not ops.runs_ahead:
        return sync
    from netspec.sync.nccl import Nccl

    return Nccl(sync, ops)
