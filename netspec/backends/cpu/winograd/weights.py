"""Transforming the weights."""

from __future__ import annotations

from typing import NamedTuple

from netspec.backends.cpu.frame import Array
from netspec.backends.cpu.lines import address, copy
from netspec.backends.cpu.vectors import FLOAT_BYTES, WIDTH, transpose
from netspec.backends.cpu.winograd.grid import SPARE, Grid, taps_of
from netspec.backends.cpu.winograd.transforms import kernels
from netspec.compiled import njit

# Taps of a piece, a vector of filters each: beside what becomes of them, in the first
# cache.  16 kernels of 3 × 3 are whole vectors.
LINES = 144
SCRATCH = LINES * WIDTH


class Kernels(NamedTuple):
    """Where the weights of one group stand in a flat array.

    Attributes:
        w: weights of the whole convolution (K, C / group, kernel), flat.
        start: the first weight; then steps between filters, channels and taps.
    """

    w: Array
    start: int
    filter: int
    channel: int
    tap: int


def kernels_of(w: Array, g: Grid, backward: bool) -> Kernels:
    """The weights of one group.

    Args:
        backward: take the convolution that makes the data gradient: its filters are
            the channels of w, and its kernels are turned by half a turn.
    """
    flat, kernel = w.reshape(-1), g.taps**2
    if backward:
        start = g.first_channel * g.filters * kernel + kernel - 1
        return Kernels(flat, start, kernel, g.filters * kernel, -1)
    start = g.first_filter * g.channels * kernel
    return Kernels(flat, start, g.channels * kernel, kernel, 1)


def panel_size(channels: int) -> int:
    """Values of one panel of one plane."""
    return channels * WIDTH


def plane_size(filters: int, panel: int) -> int:
    """Values of one plane of some filters."""
    return -(-filters // WIDTH) * panel + SPARE


@njit(nogil=True)
def transform_panels(w, first, count, u, place, lines, size, pitch, channels, g):  # type: ignore[no-untyped-def]
    """A range of channels of *count* panels of WIDTH filters from *first* on, to panels
    of u from *place* on, of which *pitch* values of a channel lie side by side.

    *lines* is the address of SCRATCH values.
    """
    low, high = channels
    kernel = taps_of(g) * taps_of(g)
    each = (kernel + WIDTH - 1) // WIDTH * WIDTH  # lines of a kernel
    together = pitch // WIDTH
    piece = LINES // (kernel if w.tap > 0 else each)
    for panel in range(first, first + count):
        group, own = divmod(place + panel - first, together)
        start = group * together * size + own * WIDTH
        for c in range(low, high, piece):
            some = min(piece, high - c)
            at = w.start + panel * WIDTH * w.filter + c * w.channel
            filters = min(WIDTH, g.filters - panel * WIDTH)
            target = address(u[0], start + (c - low) * pitch)
            if w.tap > 0:
                _turn(w, at, filters, some * kernel, lines)
                side_by_side = lines, WIDTH, kernel * WIDTH
            else:  # a kernel's first tap is its last
                for i in range(some):
                    begin = at + i * w.channel - kernel + 1
                    here = lines + i * each * WIDTH * FLOAT_BYTES
                    _turn(w, begin, filters, kernel, here)
                last = lines + (kernel - 1) * WIDTH * FLOAT_BYTES
                side_by_side = last, -WIDTH, each * WIDTH
            kernels(g, (*side_by_side, target, u.shape[1], pitch, some))


@njit(inline="always")
def _turn(w, at, filters, values, lines):  # type: ignore[no-untyped-def]
    """*values* of each filter from *at* on, to lines of the filters side by side.

    As many lines are written as whole vectors have; what is beyond *values* or
    *filters* is anything.
    """
    blocks = (values + WIDTH - 1) // WIDTH
    end = at + (WIDTH - 1) * w.filter + blocks * WIDTH
    if filters == WIDTH and end <= w.w.size:
        transpose((address(w.w, at), w.filter, lines, WIDTH, blocks))
    else:
        for j in range(values):
            target = lines + j * WIDTH * FLOAT_BYTES
            copy((address(w.w, at + j), w.filter, target, filters))
