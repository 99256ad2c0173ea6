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
        """An array a top; *first* has no influence.

        Rows that follow each other in the source are not copied, and are read-only.
        """
        if out is None and len(indices):
            found = self._as_they_lie(indices)
            if found:
                return found
        arrays = out or tuple(
            np.empty((len(indices), *shape), np.float32) for shape in self.shapes()
        )
        row = 0
        while row < len(indices):
            block = self.source.block(indices[row])
            start = indices[row] - block.start
            rows = _run(indices, row, len(block.values[0]) - start)
            for array, values in zip(arrays, block.values):
                array[row : row + rows] = values[start : start + rows]
            row += rows
        return arrays

    def _as_they_lie(self, indices: Sequence[int]) -> tuple[Floats, ...] | None:
        """Views of rows that follow each other in one block, if they do."""
        block = self.source.block(indices[0])
        start = indices[0] - block.start
        rows = _run(indices, 0, len(block.values[0]) - start)
        if rows < len(indices) or any(v.dtype != np.float32 for v in block.values):
            return None
        views = tuple(v[start : start + len(indices)] for v in block.values)
        for view in views:
            view.flags.writeable = False
        return views


def _run(indices: Sequence[int], at: int, most: int) -> int:
    """How many indices from *at* on follow each other, at most so many."""
    rows, most = 1, min(most, len(indices) - at)
    while rows < most and indices[at + rows] == indices[at] + rows:
        rows += 1
    return rows
