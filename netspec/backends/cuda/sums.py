"""Sums in two steps: blocks add up parts, and one warp the parts of each channel.

How a channel is cut depends on the shape alone, and so does the order of every sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cupy

from netspec.backends.cuda.launch import BLOCK, KernelFile, f64, i32, i64

Array = Any

KERNELS = KernelFile("sums")

PART = 8192  # places that a block should have at least
MOST_PARTS = 1024
COLUMNS, ROWS = 32, 8  # of a block, as in kernels/sums.cuh
SIDE_BY_SIDE = 4  # places of a channel below which its neighbour is as near


class Parts:
    """The partial sums of each channel of arrays (outer, channels, inner).

    Args:
        kernel: takes arrays, partial, outer, channels, inner, numbers, and adds up by
            ``over_part`` of kernels/sums.cuh.
        sums: how many a channel has.
        plain: the kernel takes the number of places in place of three sizes.
    """

    def __init__(
        self,
        kernels: KernelFile,
        kernel: str,
        arrays: Sequence[Array],
        shape: tuple[int, int, int],
        *numbers: Any,
        sums: int = 1,
        plain: bool = False,
    ) -> None:
        outer, self.channels, inner = shape
        self.places = outer * inner
        in_columns = inner < SIDE_BY_SIDE and self.channels >= ROWS
        part = PART // COLUMNS if in_columns else PART
        self.count = max(1, min(-(-self.places // part), MOST_PARTS))
        self.rows = sums * self.channels
        self.values = cupy.empty(self.rows * self.count, cupy.float64)
        sizes = (i64(inner),) if plain else (i64(outer), i32(self.channels), i64(inner))
        blocks = -(-self.channels // COLUMNS) if in_columns else self.channels
        if blocks:
            kernels.launch(
                kernel,
                (blocks, self.count),
                (COLUMNS, ROWS) if in_columns else (BLOCK,),
                (*arrays, self.values, *sizes, *numbers),
            )

    @classmethod
    def of_places(
        cls,
        kernels: KernelFile,
        kernel: str,
        arrays: Sequence[Array],
        places: int,
        *numbers: Any,
    ) -> Parts:
        """Sums over places that a kernel (arrays, partial, places, numbers) walks."""
        return cls(kernels, kernel, arrays, (1, 1, places), *numbers, plain=True)

    def finish(
        self, kernels: KernelFile, kernel: str, outputs: Sequence[Array], *numbers: Any
    ) -> None:
        """Launch a kernel (partial, outputs, channels, parts, numbers)."""
        self._join(kernels, kernel, self.channels, outputs, *numbers)

    def finish_all(
        self, kernels: KernelFile, kernel: str, outputs: Sequence[Array], *numbers: Any
    ) -> None:
        """The same for all sums of all channels, as rows."""
        self._join(kernels, kernel, self.rows, outputs, *numbers)

    def _join(
        self,
        kernels: KernelFile,
        kernel: str,
        rows: int,
        outputs: Sequence[Array],
        *numbers: Any,
    ) -> None:
        if rows:
            kernels.launch(
                kernel,
                (-(-rows // ROWS),),
                (COLUMNS, ROWS),
                (self.values, *outputs, i32(rows), i32(self.count), *numbers),
            )


def whole(kernel: str, *arrays: Array) -> Parts:
    """The partial sums of whole arrays, by a kernel of ``sums.cu``."""
    return Parts(KERNELS, kernel, arrays, (1, 1, arrays[0].size))


def finish_loss(
    parts: Parts,
    loss: Array,
    factor: float = 1.0,
    counted: Array | None = None,
    divisor: float = 1.0,
) -> None:
    """loss = factor · the total / divisor.

    Args:
        counted: (1,), stands for a divisor of 0.
    """
    by = f64(divisor if counted is None else 0.0)
    count = loss if counted is None else counted
    KERNELS.launch(
        "finish_loss",
        (1,),
        (32,),
        (parts.values, loss, i32(parts.count), f64(factor), count, by),
    )


def total(parts: Parts) -> float:
    """The sum of a whole array, brought to the host: waits for the device."""
    found = cupy.empty(1, cupy.float64)
    arguments = parts.values, found, i32(parts.count)
    KERNELS.launch("finish_double", (1,), (32,), arguments)
    return float(found.get()[0])
