"""Where a window with its context lies on an image, and in a sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netspec.errors import DataError
from netspec.shapes import Shape


@dataclass(frozen=True)
class Place:
    """Where a window is taken from an image, and where it goes in a sample.

    Attributes:
        left, top, right, bottom: pixels of the image, the last two excluded.
        height, width: size that they are resized to.
        down, across: where that begins in the sample.
    """

    left: int
    top: int
    right: int
    bottom: int
    height: int
    width: int
    down: int
    across: int

    def is_on(self, image: Shape) -> bool:
        """Whether it takes pixels that an image (height, width) has."""
        height, width = image
        across = 0 <= self.left < self.right <= width
        return across and 0 <= self.top < self.bottom <= height


@dataclass(frozen=True)
class Cut:
    """How windows are cut.

    Attributes:
        size: pixels a side of a sample.
        context: pixels around the window in a sample.
        square: take the tightest square around the window, instead of warping it.
    """

    size: int
    context: int
    square: bool

    def place(self, corners: Sequence[int], image: Shape, mirror: bool) -> Place:
        """Where the window (x1, y1, x2, y2) of an image (height, width) goes.

        Raises:
            DataError: the window is not inside the image.
        """
        x1, y1, x2, y2 = corners
        height, width = image
        if self.context or self.square:
            wide, high = (
                np.float32(n) / np.float32(2) for n in (x2 - x1 + 1, y2 - y1 + 1)
            )
            most = max(wide, high)
            across = self._along(x1 + wide, most if self.square else wide, width)
            down = self._along(y1 + high, most if self.square else high, height)
            place = self._within(across, down, mirror)
        else:
            place = Place(x1, y1, x2 + 1, y2 + 1, self.size, self.size, 0, 0)
        if x1 > x2 or y1 > y2 or not place.is_on(image):
            raise DataError(
                f"has the window {x1} {y1} {x2} {y2}, and is {width} pixels wide and "
                f"{height} high.",
                "Correct the window file.",
            )
        return place

    def _within(self, across: _Along, down: _Along, mirror: bool) -> Place:
        """The place of a part that may stick out of the sample by rounding."""
        first = across.behind if mirror else across.before
        return Place(
            across.start, down.start, across.stop, down.stop,
            min(down.length, self.size - down.before),
            min(across.length, self.size - first),
            down.before, first,
        )  # fmt: skip

    def _along(self, center: np.float32, half: np.float32, size: int) -> _Along:
        """One axis of the window with its context, cut at the borders of the image.

        Computed in single precision, as Caffe does, so that it rounds alike.
        """
        scale = np.float32(self.size) / np.float32(self.size - 2 * self.context)
        low, high = _round(center - half * scale), _round(center + half * scale)
        over, under = max(0, -low), max(0, high - size + 1)
        ratio = np.float32(self.size) / np.float32(high - low + 1)
        length = _round(np.float32(high - under - low - over + 1) * ratio)
        return _Along(
            start=low + over,
            stop=high - under + 1,
            length=length,
            before=_round(np.float32(over) * ratio),
            behind=_round(np.float32(under) * ratio),
        )


@dataclass(frozen=True)
class _Along:
    """Pixels of an image along one axis, and their length and margins in a sample."""

    start: int
    stop: int
    length: int
    before: int
    behind: int


def _round(value: np.float32) -> int:
    """To the nearest integer; halves away from 0, as C does it."""
    return int(math.copysign(math.floor(abs(float(value)) + 0.5), float(value)))
