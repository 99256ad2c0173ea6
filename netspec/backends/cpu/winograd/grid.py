"""How images are cut into tiles, and the work into tasks: from the geometry alone.

Tiles are numbered over images, then rows of tiles, then along the row.  LANES tiles in
a row, across rows and images, are a panel.
"""

from __future__ import annotations

from typing import NamedTuple

from numba import njit

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.vectors import LANES
from netspec.backends.cpu.winograd.formulas import TAPS, TILE

# A line between planes, so that the same place of all of them does not fall into one
# set of the cache; an odd number of cache lines of 16 values.
SPARE = 48


class Grid(NamedTuple):
    """One group of one convolution, as compiled code takes it."""

    high: int  # tiles down an image
    wide: int  # across
    tiles: int  # of all images
    pad_h: int
    pad_w: int
    channels: int  # of the group
    filters: int
    first_channel: int  # of the group, among all
    first_filter: int


def forward_grid(geo: ConvolutionGeometry, group: int) -> Grid:
    """The grid of the outputs."""
    each = geo.channels // geo.group, geo.filters // geo.group
    return _grid(geo.batch, geo.output, geo.pad, each, group)


def backward_grid(geo: ConvolutionGeometry, group: int) -> Grid:
    """The grid of the inputs, which a convolution of the output's gradient makes."""
    pad = tuple(TAPS - 1 - p for p in geo.pad)
    each = geo.filters // geo.group, geo.channels // geo.group
    return _grid(geo.batch, geo.input, pad, each, group)


def _grid(
    batch: int,
    output: tuple[int, ...],
    pad: tuple[int, ...],
    each: tuple[int, int],
    group: int,
) -> Grid:
    high, wide = (-(-n // TILE) for n in output)
    return Grid(
        high=high,
        wide=wide,
        tiles=batch * high * wide,
        pad_h=pad[0],
        pad_w=pad[1],
        channels=each[0],
        filters=each[1],
        first_channel=each[0] * group,
        first_filter=each[1] * group,
    )


def panels(g: Grid) -> int:
    """Panels that hold all tiles."""
    return -(-g.tiles // LANES)


@njit(nogil=True, cache=True)
def place(tile, g):  # type: ignore[no-untyped-def]
    """Image, row and column of a tile."""
    n, rest = divmod(tile, g.high * g.wide)
    row, column = divmod(rest, g.wide)
    return n, row, column


@njit(nogil=True, cache=True)
def load_strip(plane, top, left, strip, columns):  # type: ignore[no-untyped-def]
    """Fill a strip's lines from (top, left) of an image on, with zeros outside it."""
    low = min(max(-left, 0), columns)
    high = max(min(plane.shape[1] - left, columns), low)
    for r in range(strip.shape[0]):
        target = strip[r]
        if 0 <= top + r < plane.shape[0]:
            source = plane[top + r, left + low : left + high]
            filled = target[low:high]
            for i in range(low):
                target[i] = 0
            for i in range(filled.size):
                filled[i] = source[i]
            for i in range(high, columns):
                target[i] = 0
        else:
            for i in range(columns):
                target[i] = 0


@njit(nogil=True, cache=True)
def store_block(block, lane, plane, row, column, tiles):  # type: ignore[no-untyped-def]
    """Copy the pixels of some tiles of a block to the image, as far as it goes."""
    top, left = TILE * row, TILE * column
    for r in range(min(TILE, plane.shape[0] - top)):
        target = plane[top + r, left : left + TILE * tiles]
        source = block[r, TILE * lane :]
        for i in range(target.size):
            target[i] = source[i]
