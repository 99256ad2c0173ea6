"""Arrays that the user hands over, as a source of rows: Caffe's MemoryData."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from netspec.data.protocols import Block
from netspec.errors import UsageError
from netspec.shapes import Shape, describe


class Arrays:
    """Pictures of shape (n, C, H, W) and n labels, read over and over in order.

    Args:
        shapes: what a row of each top must be: (C, H, W) and ().
    """

    def __init__(self, shapes: tuple[Shape, ...]) -> None:
        self.shapes = shapes
        self._block: Block | None = None

    def __len__(self) -> int:
        return len(self._block.values[0]) if self._block else 0

    def set(self, data: ArrayLike, labels: ArrayLike) -> None:
        """Take arrays of float32, or what converts to it, without a copy where it can.

        Raises:
            UsageError: a shape does not fit the layer, or no rows, or unequal numbers.
        """
        values = np.ascontiguousarray(data, np.float32)
        marks = np.ascontiguousarray(labels, np.float32)
        if values.ndim < 1 or values.shape[1:] != self.shapes[0] or not len(values):
            raise UsageError(
                f"MemoryData was given an array of {describe(values.shape)}.",
                f"Give n pictures of {describe(self.shapes[0])}.",
            )
        if marks.size != len(values):
            raise UsageError(
                f"MemoryData was given {len(values)} pictures and {marks.size} labels.",
                "Give a label for each picture.",
            )
        self._block = Block(0, (values, marks.reshape(-1))[: len(self.shapes)])

    def block(self, index: int) -> Block:
        """All rows."""
        assert self._block is not None  # nothing else has a row number
        return self._block

    def describe(self, index: int) -> str:
        """What row *index* is called in messages."""
        return f"row {index} of the arrays in memory"
