"""Moving elements between arrays of the device."""

from __future__ import annotations

from typing import Any

from netspec.backends.cuda.launch import KernelFile, i64
from netspec.backends.cuda.maps import VECTOR

Array = Any

KERNELS = KernelFile("arrangement")


class CudaMovementOps:
    """Blocks in runs of 16 bytes where all sizes allow it."""

    def read_block(self, whole: Array, part: Array, outer: int, start: int) -> None:
        """See :meth:`MovementOps.read_block`."""
        _block("read_block", (whole, part), part, whole, outer, start)

    def write_block(self, part: Array, whole: Array, outer: int, start: int) -> None:
        """See :meth:`MovementOps.write_block`."""
        _block("write_block", (part, whole), part, whole, outer, start)


def _block(
    kernel: str,
    arrays: tuple[Array, Array],
    part: Array,
    whole: Array,
    outer: int,
    start: int,
) -> None:
    sizes = part.size, part.size // outer, whole.size // outer, start
    KERNELS.over(kernel, -(-part.size // VECTOR), (*arrays, *map(i64, sizes)))
