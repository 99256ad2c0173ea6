"""Transforming the weights: all of them at once, or some filters at a time."""

from __future__ import annotations

from typing import NamedTuple

from netspec.backends.cpu.frame import Array
from netspec.backends.cpu.threads import buffer, claim, share
from netspec.backends.cpu.vectors import FLOAT_BYTES, ROWS, WIDTH
from netspec.backends.cpu.winograd.formulas import TAPS
from netspec.backends.cpu.winograd.grid import SPARE, Grid
from netspec.backends.cpu.winograd.transforms import PLANES, kernels
from netspec.compiled import njit

KERNEL = TAPS * TAPS


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


def transformed(w: Kernels, g: Grid) -> Array:
    """G w Gᵀ of one group, in panels: (PLANES, panel, channel, ROWS) of filters.

    Returns:
        (PLANES, values of a plane); valid until the next operation.
    """
    size = panel_size(g)
    stride = plane_size(g.filters, size)
    u = buffer("weights", PLANES * stride).reshape(PLANES, stride)
    work = g.channels * g.filters * PLANES
    share(
        _transform, -(-g.filters // ROWS), w, u, size, g,
        workspace=KERNEL * size, work=work,
    )  # fmt: skip
    return u


def panel_size(g: Grid) -> int:
    """Values of one panel of one plane: whole vectors."""
    return -(-g.channels * ROWS // WIDTH) * WIDTH


def plane_size(filters: int, panel: int) -> int:
    """Values of one plane of some filters."""
    return -(-filters // ROWS) * panel + SPARE


@njit(nogil=True, cache=True)
def _transform(counter, tasks, workspace, w, u, size, g):  # type: ignore[no-untyped-def]
    """One task is one panel."""
    panel = claim(counter)
    while panel < tasks:
        transform_panels(w, panel, 1, u, panel, workspace, size, g)
        panel = claim(counter)


@njit(nogil=True)
def transform_panels(w, first, count, u, place, taps, size, g):  # type: ignore[no-untyped-def]
    """Panels *first* to *first* + *count*, to panels *place* on of u.

    *taps* is scratch of KERNEL × *size*.
    """
    for panel in range(first, first + count):
        for r in range(ROWS):
            k = min(panel * ROWS + r, g.filters - 1)
            at = w.start + k * w.filter
            for c in range(g.channels):
                for t in range(KERNEL):
                    value = w.w[at + c * w.channel + t * w.tap]
                    taps[t * size + c * ROWS + r] = value
        target = u[0].ctypes.data + (place + panel - first) * size * FLOAT_BYTES
        kernels((taps.ctypes.data, size, target, u.shape[1], size // WIDTH))
