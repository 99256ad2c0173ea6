"""Opening a GPU."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

import cupy

from netspec.backends.cuda import CudaOps
from netspec.backends.cuda.choice import Choices, store_of
from netspec.errors import DeviceError

MEASURE = "NETSPEC_CUDA_MEASURE"  # variable: 0 takes algorithms by geometry alone
LEAST, TF32 = 75, 80  # compute capabilities, times ten
_DIGITS = 16


def open_cuda(number: int, precision: str) -> CudaOps:
    """The operations of GPU *number*, which is then the calling thread's.

    Algorithms are measured at first use, and remembered on disk. Another thread calls
    :meth:`CudaOps.use` first, as passes over a net do.

    Raises:
        DeviceError: an unknown precision, or a GPU that is too old for it.
    """
    _check_age(number, precision)
    measure = os.environ.get(MEASURE, "1") not in ("", "0")
    choices = Choices(measure, store_of(number, _digest()) if measure else None)
    ops = CudaOps(precision, choices)
    ops.name, ops.number = f"cuda:{number}", number
    ops.use()
    return ops


def _check_age(number: int, precision: str) -> None:
    found = int(cupy.cuda.Device(number).compute_capability)
    least = TF32 if precision == "tf32" else LEAST
    if found < least:
        raise DeviceError(
            f"device cuda:{number} is of compute capability {found / 10}, and "
            f"{precision} needs {least / 10}.",
            "Take a newer GPU, or device cpu."
            if found < LEAST
            else "Take precision fp32 or fp16.",
        )


@cache
def _digest() -> str:
    """Of the text of all kernels: others have other times."""
    files = sorted((Path(__file__).parent / "kernels").glob("*.cu*"))
    text = b"".join(file.read_bytes() for file in files)
    return hashlib.sha256(text).hexdigest()[:_DIGITS]
