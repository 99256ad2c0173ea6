"""Batches of pictures as bytes, for a device that transforms them itself.

A byte a pixel travels instead of four, and the host neither converts nor subtracts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec.data.protocols import Floats
from netspec.data.transform import Place, Transform
from netspec.shapes import Shape


@dataclass(frozen=True)
class RawPictures:
    """Pictures of one size before Caffe's transformation, and where each is seen.

    Wherever an array is wanted (``numpy.asarray``) this is the transformed batch, as
    the host computes it. Slices are views: what fills them fills the whole.

    Attributes:
        pixels: (N, C, H, W).
        places: row and column of each crop, and 1 where it is mirrored: (N, 3).
        transform: of all of them.
    """

    pixels: NDArray[np.uint8]
    places: NDArray[np.int32]
    transform: Transform

    @staticmethod
    def empty(count: int, picture: Shape, transform: Transform) -> RawPictures:
        """Room for pictures of a shape (C, H, W)."""
        pixels = np.empty((count, *picture), np.uint8)
        return RawPictures(pixels, np.empty((count, 3), np.int32), transform)

    @property
    def shape(self) -> Shape:
        """(N, C, high, wide) of the transformed batch."""
        return len(self.pixels), *self.transform.shape(self.pixels.shape[1:])

    def __getitem__(self, rows: slice) -> RawPictures:
        """Neighbouring samples."""
        return RawPictures(self.pixels[rows], self.places[rows], self.transform)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """The transformed batch, float32 unless another type is asked for."""
        out = np.empty(self.shape, np.float32)
        for picture, place, row in zip(self.pixels, self.places.tolist(), out):
            self.transform.take(picture, Place(*place), row)
        self.transform.finish(out)
        return out if dtype is None else out.astype(dtype, copy=False)


Top = Floats | RawPictures


def pays(picture: Shape, seen: Shape) -> bool:
    """Whether the bytes of a whole picture are fewer than those of the floats seen."""
    return int(np.prod(picture)) < int(np.prod(seen)) * np.dtype(np.float32).itemsize


def joined(parts: Iterable[Top]) -> Floats:
    """Batches one after the other, all transformed."""
    return np.concatenate([np.asarray(part) for part in parts])
