"""What a feed is made of: sources by record number, and readers of batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from netspec.shapes import Shape

if TYPE_CHECKING:
    from netspec.data.transform import Means
    from netspec.data.view import View

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8] | Floats

# How many times smaller a picture of that height and width may be decoded.
Shrink = Callable[[int, int], float]


class Raster(NamedTuple):
    """A decoded picture: of full size, or a half, a quarter or an eighth of it.

    Attributes:
        pixels: (C, h, w), BGR where C is 3; pixel (i, j) is the mean, or so, of pixels
            i * factor to (i + 1) * factor of the picture down, and likewise across.
        height, width: of the picture.
        factor: 1, 2, 4 or 8.
    """

    pixels: Pixels
    height: int
    width: int
    factor: int = 1

    @staticmethod
    def of(pixels: Pixels) -> Raster:
        """A picture (C, H, W) of full size."""
        return Raster(pixels, *pixels.shape[1:])

    @property
    def shape(self) -> Shape:
        """(C, H, W) of the picture."""
        return len(self.pixels), self.height, self.width


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

    def raster(self, index: int, shrink: Shrink | None) -> tuple[Raster, int]:
        """The same, decoded smaller where *shrink* allows it and the codec can."""


class Transformation(Protocol):
    """What is done to each picture before a net sees it."""

    @property
    def crop(self) -> int:
        """Pixels a side of the result; 0: that depends on the picture."""

    @property
    def means(self) -> Means:
        """What is subtracted."""

    @property
    def scale(self) -> float:
        """By what the rest is multiplied."""

    def shape(self, picture: Shape) -> Shape:
        """The shape of a picture of shape *picture* after it.

        Raises:
            DataError: it does not fit; the problem begins with its verb.
        """

    def draws(self, first: int, count: int) -> list[list[int]]:
        """What each of the samples from number *first* on hands to the rest."""

    def shrink(self, draw: list[int]) -> Shrink | None:
        """How many times smaller a picture may be decoded; None: it must not be."""

    def view(self, height: int, width: int, draw: list[int]) -> View:
        """The part of a picture that is seen."""

    def place(self, raster: Raster, draw: list[int], out: Floats) -> None:
        """Bring one picture into *out*, of the shape that :meth:`shape` said."""

    def finish(self, out: Floats) -> None:
        """What is left to do, for any number of placed pictures at once."""


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
