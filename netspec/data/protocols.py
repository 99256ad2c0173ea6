"""What a feed is made of: sources by record number, and readers of batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from netspec.shapes import Shape

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8] | Floats


class Numbered(Protocol):
    """Records with numbers."""

    def __len__(self) -> int: ...

    def describe(self, index: int) -> str:
        """What record *index* is called in messages."""


class PictureSource(Numbered, Protocol):
    """Pictures and labels."""

    @property
    def decodes(self) -> bool:
        """Whether records are image files, which take long to decode."""

    @property
    def fixed_shape(self) -> bool:
        """Whether all pictures are known to have one shape."""

    def record(self, index: int) -> tuple[Pixels, int]:
        """Pixels (C, H, W), BGR where C is 3, and label: a function of *index* alone.

        Raises:
            DataError: the record is missing or damaged; names it.
        """


class Block(NamedTuple):
    """Rows that lie in memory together: the number of the first, an array a top."""

    start: int
    values: tuple[Floats, ...]


class RowSource(Numbered, Protocol):
    """Rows with a value of fixed shape for each top."""

    shapes: tuple[Shape, ...]

    def block(self, index: int) -> Block:
        """Rows that include row *index*."""


class Reader(Numbered, Protocol):
    """Reads samples of all tops of a layer."""

    @property
    def decodes(self) -> bool:
        """Whether reading takes so long that several threads pay."""

    @property
    def fixed_shape(self) -> bool:
        """Whether all samples are known to have one shape."""

    def shapes(self) -> tuple[Shape, ...]:
        """Shape of one sample of each top; by the first record, where they differ."""

    def read(
        self, indices: Sequence[int], first: int, out: tuple[Floats, ...] | None
    ) -> tuple[Floats, ...]:
        """An array a top, with a row for each record.

        Args:
            indices: record numbers, at least one.
            first: number of the first sample since training began.
            out: arrays to fill; None: new ones.

        Raises:
            DataError: a bad record, or one of another shape than the batch.
        """
