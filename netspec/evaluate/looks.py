"""Where a net looks at a picture: the places of each kind of look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import product
from typing import NamedTuple

from netspec.data.preprocess import Window
from netspec.data.rescale import Size
from netspec.errors import UsageError
from netspec.registry import Registry

GRID = 5  # crops a side of a multi-crop, as in the VGG paper

Places = Callable[[Size, Size], list[Window]]
KINDS: Registry[Places] = Registry("kind of look", UsageError)


class Look(NamedTuple):
    """One part of a picture, and how much its posterior counts among its kind."""

    window: Window
    weight: float


def looks(kind: str, size: Size, crop: Size, mirror: bool) -> list[Look]:
    """The looks of one kind at a picture of a size; their weights add up to 1.

    A place that comes up twice, as in a picture no larger than the crop, is looked at
    once and counts double.
    """
    flips = (False, True) if mirror else (False,)
    places = Counter(KINDS[kind](size, crop))
    share = 1 / (len(flips) * places.total())
    return [
        Look(window._replace(mirror=flip), times * share)
        for window, times in places.items()
        for flip in flips
    ]


@KINDS("single")
def _centre(size: Size, crop: Size) -> list[Window]:
    """The crop that Caffe takes in TEST."""
    y, x = (size.height - crop.height) // 2, (size.width - crop.width) // 2
    return [Window(y, x, *crop)]


@KINDS("ten-crop")
def _corners_and_centre(size: Size, crop: Size) -> list[Window]:
    """Five places; ten crops with the mirrored ones."""
    bottom, right = size.height - crop.height, size.width - crop.width
    corners = [Window(y, x, *crop) for y, x in product((0, bottom), (0, right))]
    return corners + _centre(size, crop)


@KINDS("multi-crop")
def _grid(size: Size, crop: Size) -> list[Window]:
    """A regular grid of 5 x 5 places from edge to edge, rounded to whole pixels."""
    ys, xs = (_steps(n - c) for n, c in zip(size, crop))
    return [Window(y, x, *crop) for y, x in product(ys, xs)]


def _steps(room: int) -> list[int]:
    gaps = GRID - 1
    return [(2 * i * room + gaps) // (2 * gaps) for i in range(GRID)]


@KINDS("dense")
def _whole(size: Size, crop: Size) -> list[Window]:
    """The whole picture, for a net that is fully convolutional."""
    return [Window(0, 0, *size)]
