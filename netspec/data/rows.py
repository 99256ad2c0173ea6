"""Reading tops that are rows of arrays: HDF5 files and arrays in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netspec.data.protocols import Floats, RowSource
from netspec.shapes import Shape


class RowReader:
    """Rows as batches, as they are; see :class:`~netspec.data.protocols.Reader`."""

    decodes = False
    fixed_shape = True

    def __init__(self, source: RowSource) -> None:
        self.source = source
        self.describe = source.describe

    def __len__(self) -> int:
        return len(self.source)

    def shapes(self) -> tuple[Shape, ...]:
        """Shape of one sample of each top."""
        return self.source.shapes

    def read(
        self, indices: Sequence[int], first: int, out: tuple[Floats, ...] | None
    ) -> tuple[Floats, ...]:
        """An array a top; *first* has no influence."""
        arrays = out or tuple(
            np.empty((len(indices), *shape), np.float32) for shape in self.shapes()
        )
        for row, index in enumerate(indices):
            block = self.source.block(index)
            for array, values in zip(arrays, block.values):
                array[row] = values[index - block.start]
        return arrays
