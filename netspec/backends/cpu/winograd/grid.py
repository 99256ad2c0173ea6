"""How images are cut into tiles, and the work into tasks: from the geometry alone.

Tiles are numbered over images, then rows of tiles, then along the row.  LANES tiles in
a row, across rows and images, are a panel.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from numba import types
from numba.extending import intrinsic

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.lines import (
    address,
    complete_line,
    copy_rows,
    copy_to_bytes,
)
from netspec.backends.cpu.vectors import FLOAT_BYTES, LANES, Emitter, Value, called
from netspec.backends.cpu.winograd.formulas import SPAN, TAPS, TILE, WIDE_TAPS
from netspec.compiled import njit

# A line between planes, so that the same place of all of them does not fall into one
# set of the cache; an odd number of cache lines of 16 values.
SPARE = 48


class Grid(NamedTuple):
    """One group of one convolution of 3 × 3, as compiled code takes it."""

    high: int  # tiles down an image
    wide: int  # across
    tiles: int  # of all images
    pad_h: int
    pad_w: int
    channels: int  # of the group
    filters: int
    first_channel: int  # of the group, among all
    first_filter: int

    @property
    def taps(self) -> int:
        """Of a kernel along one axis."""
        return _TAPS[type(self)]

    @property
    def tile(self) -> int:
        """Outputs of a tile along one axis."""
        return SPAN + 1 - self.taps


class WideGrid(Grid):
    """The same of 5 × 5: kernels are compiled for each, as tiles differ."""


_TAPS: dict[type, int] = {Grid: TAPS, WideGrid: WIDE_TAPS}
_GRIDS = {taps: kind for kind, taps in _TAPS.items()}


def of_grid(*kinds: types.Type) -> Any:
    """Decorator: as :func:`~netspec.backends.cpu.vectors.emitted`, *apart*, of a
    function f(emitter, taps, argument values ...), which kernels call with a grid and
    a tuple."""

    def decorate(emit: Any) -> Any:
        def typed(typingctx, grid, arguments):  # type: ignore[no-untyped-def]
            taps = _TAPS[grid.instance_class]

            def own(emitter: Emitter, *values: Value) -> None:
                emit(emitter, taps, *values)

            own.__module__, own.__name__ = emit.__module__, f"{emit.__name__}_{taps}"
            return types.void(grid, arguments), called(own, kinds, apart=True)

        typed.__name__, typed.__doc__ = emit.__name__, emit.__doc__
        return intrinsic(typed)

    return decorate


@intrinsic
def taps_of(typingctx, grid):  # type: ignore[no-untyped-def]
    """:attr:`Grid.taps`, known when a kernel is compiled."""
    taps = _TAPS[grid.instance_class]
    return types.intp(grid), lambda context, *_: context.get_constant(types.intp, taps)


@intrinsic
def tile_of(typingctx, grid):  # type: ignore[no-untyped-def]
    """:attr:`Grid.tile`, likewise."""
    tile = SPAN + 1 - _TAPS[grid.instance_class]
    return types.intp(grid), lambda context, *_: context.get_constant(types.intp, tile)


@lru_cache(maxsize=1024)
def forward_grid(geo: ConvolutionGeometry, group: int) -> Grid:
    """The grid of the outputs."""
    each = geo.channels // geo.group, geo.filters // geo.group
    return _grid(geo, geo.output, geo.pad, each, group)


@lru_cache(maxsize=1024)
def backward_grid(geo: ConvolutionGeometry, group: int) -> Grid:
    """The grid of the inputs, which a convolution of the output's gradient makes."""
    pad = tuple(k - 1 - p for k, p in zip(geo.kernel, geo.pad, strict=True))
    each = geo.filters // geo.group, geo.channels // geo.group
    return _grid(geo, geo.input, pad, each, group)


def _grid(
    geo: ConvolutionGeometry,
    output: tuple[int, ...],
    pad: tuple[int, ...],
    each: tuple[int, int],
    group: int,
) -> Grid:
    kind, tile = _GRIDS[geo.kernel[0]], SPAN + 1 - geo.kernel[0]
    high, wide = (-(-n // tile) for n in output)
    return kind(
        high=high,
        wide=wide,
        tiles=geo.batch * high * wide,
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
def store_block(block, pitch, size, plane, row, column, tiles):  # type: ignore[no-untyped-def]
    """Copy the pixels of some tiles to the image, as far as it goes.

    *block* is the address of *size* lines *pitch* values apart, each tile *size* wide.
    """
    top, left = size * row, size * column
    columns, lines = min(size * tiles, plane.shape[1] - left), plane.shape[0] - top
    target, wide = address(plane[top], left), plane.shape[1]
    copy_rows((block, pitch, target, wide, min(size, lines), columns))


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
