"""How images are cut into tiles, and the work into tasks: from the geometry alone.

Tiles are numbered over images, then rows of tiles, then along the row.  LANES tiles in
a row, across rows and images, are a panel.
"""

from __future__ import annotations

from typing import NamedTuple

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.lines import (
    address,
    clear,
    complete_line,
    copy,
    copy_rows,
    copy_to_bytes,
    span,
)
from netspec.backends.cpu.vectors import FLOAT_BYTES, LANES
from netspec.backends.cpu.winograd.formulas import TAPS, TILE
from netspec.compiled import njit

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


@njit(inline="always")
def place(tile, g):  # type: ignore[no-untyped-def]
    """Image, row and column of a tile."""
    n, rest = divmod(tile, g.high * g.wide)
    row, column = divmod(rest, g.wide)
    return n, row, column


@njit(inline="always")
def load_strip(plane, top, left, strip, pitch, lines, columns):  # type: ignore[no-untyped-def]
    """Copy lines × columns of an image from (top, left) on, zeros outside it.

    *strip* is the address of lines *pitch* values apart.
    """
    low, high = span(left, 1, plane.shape[1], columns)
    for r in range(lines):
        target = strip + r * pitch * FLOAT_BYTES
        if 0 <= top + r < plane.shape[0]:
            source = address(plane[top + r], left + low)
            clear((target, low))
            copy((source, 1, target + low * FLOAT_BYTES, high - low))
            clear((target + high * FLOAT_BYTES, columns - high))
        else:
            clear((target, columns))


@njit(inline="always")
def store_block(block, pitch, size, plane, row, column, tiles):  # type: ignore[no-untyped-def]
    """Copy the pixels of some tiles to the image, as far as it goes.

    *block* is the address of *size* lines *pitch* values apart, each tile *size* wide.
    """
    top, left = size * row, size * column
    high, wide = plane.shape
    rows, columns = min(size, high - top), min(size * tiles, wide - left)
    copy_rows((block, pitch, address(plane[top], left), wide, rows, columns))


@njit(inline="always")
def complete_block(block, pitch, plane, row, column, tiles, other, floor):  # type: ignore[no-untyped-def]
    """The same for tiles of TILE pixels, to which something is added."""
    top, left = TILE * row, TILE * column
    columns = min(TILE * tiles, plane.shape[1] - left)
    for r in range(min(TILE, plane.shape[0] - top)):
        source, target = block + r * pitch * FLOAT_BYTES, address(plane[top + r], left)
        complete_line((source, target, columns, other, floor))


@njit(inline="always")
def store_places(block, pitch, size, plane, row, column, tiles):  # type: ignore[no-untyped-def]
    """The same, to an image of bytes."""
    top, left = size * row, size * column
    columns = min(size * tiles, plane.shape[1] - left)
    for r in range(min(size, plane.shape[0] - top)):
        target = plane[top + r].ctypes.data + left
        copy_to_bytes((block + r * pitch * FLOAT_BYTES, target, columns))
