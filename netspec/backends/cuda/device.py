"""Opening a GPU: one for each process, which all of its nets share."""

from __future__ import annotations

import cupy

from netspec.backends.cuda import CudaOps
from netspec.errors import DeviceError

_opened: list[int] = []


def open_cuda(number: int, precision: str) -> CudaOps:
    """The operations of GPU *number*, which is then the calling thread's.

    Raises:
        DeviceError: this process computes on another one already.
    """
    if _opened and _opened[0] != number:
        raise DeviceError(
            f"device cuda:{number} is asked for, and this process computes on "
            f"cuda:{_opened[0]}.",
            "A process has one GPU; 'netspec train --gpus' starts one for each.",
        )
    _opened[:] = [number]
    ops = CudaOps(precision)
    ops.name, ops.number = f"cuda:{number}", number
    ops.use()
    return ops


def device_name() -> str:
    """The name of the current GPU, such as "NVIDIA H100 80GB HBM3"."""
    facts = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())
    return str(facts["name"].decode())
