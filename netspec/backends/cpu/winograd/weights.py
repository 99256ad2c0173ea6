"""Transforming the weights."""

from __future__ import annotations

from typing import NamedTuple

from netspec.backends.cpu.frame import Array
from netspec.backends.cpu.lines import address, copy
from netspec.backends.cpu.vectors import FLOAT_BYTES, WIDTH, transpose
from netspec.backends.cpu.winograd.formulas import TAPS
from netspec.backends.cpu.winograd.grid import SPARE, Grid
from netspec.backends.cpu.winograd.transforms import kernels
from netspec.compiled import njit

KERNEL = TAPS * TAPS
LINES = -(-KERNEL // WIDTH) * WIDTH  # of a kernel, in whole vectors
CHANNELS = 32  # of a piece, whose taps fit the first cache
SCRATCH = CHANNELS * LINES * WIDTH


class Kernels(NamedTuple):
    """Where the weights of one group stand in a flat array.

    Attributes:
        w: weights of the whole convolution (K, C / group, 3, 3), flat.
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
    flat = w.reshape(-1)
    if backward:
        start = g.first_channel * g.filters * KERNEL + KERNEL - 1
        return Kernels(flat, start, KERNEL, g.filters * KERNEL, -1)
    start = g.first_filter * g.channels * KERNEL
    return Kernels(flat, start, g.channels * KERNEL, KERNEL, 1)


def panel_size(channels: int) -> int:
    """Values of one panel of one plane."""
    return channels * WIDTH


def plane_size(filters: int, panel: int) -> int:
    """Values of one plane of some filters."""
    return -(-filters // WIDTH) * panel + SPARE


@njit(nogil=True)
def transform_panels(w, first, count, u, place, lines, size, low, high, g):  # type: ignore[no-untyped-def]
    """Channels *low* to *high* of *count* panels from *first* on, to panels of u from
    *place* on.

    *lines* is the address of SCRATCH values.
    """
    for panel in range(first, first + count):
        for c in range(low, high, CHANNELS):
            some = min(CHANNELS, high - c)
            at = w.start + panel * WIDTH * w.filter + c * w.channel
            filters = min(WIDTH, g.filters - panel * WIDTH)
            to = ((place + panel - first) * size + (c - low) * WIDTH) * FLOAT_BYTES
            target = u[0].ctypes.data + to
            if w.tap > 0:
                _turn(w, at, filters, some * KERNEL, lines)
                side_by_side = lines, WIDTH, KERNEL * WIDTH
            else:  # a kernel's first tap is its last
                for i in range(some):
                    begin = at + i * w.channel - KERNEL + 1
                    here = lines + i * LINES * WIDTH * FLOAT_BYTES
                    _turn(w, begin, filters, KERNEL, here)
                last = lines + (KERNEL - 1) * WIDTH * FLOAT_BYTES
                side_by_side = last, -WIDTH, LINES * WIDTH
            kernels((*side_by_side, target, u.shape[1], some))


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
