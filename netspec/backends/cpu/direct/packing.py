"""Bringing weights, images and gradients into the panels that products take."""

from __future__ import annotations

from typing import NamedTuple

from netspec.backends.cpu.epilogue import TERMS
from netspec.backends.cpu.frame import Array
from netspec.backends.cpu.lines import address, copy, finish_line
from netspec.backends.cpu.threads import buffer, claim, share
from netspec.backends.cpu.unfold import unfold
from netspec.backends.cpu.vectors import FLOAT_BYTES, WIDTH, transpose
from netspec.compiled import njit


class Steps(NamedTuple):
    """Where the weight of a filter, a channel and a tap stands, in a flat array."""

    start: int
    group: int
    filter: int
    channel: int
    tap: int


def packed(w: Array, steps: Steps, shape: tuple[int, int, int, int]) -> Array:
    """Weights as (groups, panel of filters, channels × taps, WIDTH).

    Args:
        w: all weights.
        shape: groups; filters and channels of a group; taps of the kernel.

    Returns:
        An array that is valid until the next operation.
    """
    groups, filters, channels, taps = shape
    panels = -(-filters // WIDTH)
    size = groups * panels * channels * taps * WIDTH
    u = buffer("weights", size).reshape(groups, panels, channels * taps, WIDTH)
    flat = w.reshape(-1)
    share(_pack, groups * panels, flat, u, steps, filters, taps, work=size)
    return u


@njit(nogil=True, cache=True)
def _pack(counter, tasks, workspace, w, u, steps, filters, taps):  # type: ignore[no-untyped-def]
    """One task is one panel."""
    in_order = steps.tap == 1 and steps.channel == taps
    task = claim(counter)
    while task < tasks:
        g, panel = divmod(task, u.shape[1])
        target = u[g, panel]
        start = steps.start + g * steps.group + panel * WIDTH * steps.filter
        blocks = 0
        if in_order and (panel + 1) * WIDTH <= filters:
            blocks = target.shape[0] // WIDTH
            source = address(w, start)
            transpose((source, steps.filter, target.ctypes.data, WIDTH, blocks))
        for row in range(blocks * WIDTH, target.shape[0]):
            c, tap = divmod(row, taps)
            place = start + c * steps.channel + tap * steps.tap
            for r in range(WIDTH):
                # Filters beyond the last repeat it: their outputs are not used.
                k = min(r, filters - 1 - panel * WIDTH)
                target[row, r] = w[place + k * steps.filter]
        task = claim(counter)


@njit(inline="always")
def load_columns(x, g, low, high, columns, pitch, first, last, positions, f, stage):  # type: ignore[no-untyped-def]
    """Unfold positions *first* to *last*, of the batch, of channels *low* to *high* of
    group g of x (N, G, C, D, H, W)."""
    at = first
    while at < last:
        n, start = divmod(at, positions)
        stop = min(positions, start + last - at)
        target = columns + (at - first) * FLOAT_BYTES
        unfold(x[n, g, low:high], target, pitch, start, stop, f, stage)
        at += stop - start


@njit(inline="always")
def load_rows(y, g, rows, pitch, first, last):  # type: ignore[no-untyped-def]
    """Copy positions *first* to *last*, of the batch, of group g of
    y (N, G, K, positions)."""
    at = first
    while at < last:
        n, start = divmod(at, y.shape[3])
        stop = min(y.shape[3], start + last - at)
        for k in range(y.shape[2]):
            target = rows + (k * pitch + at - first) * FLOAT_BYTES
            copy((address(y[n, g, k], start), 1, target, stop - start))
        at += stop - start


@njit(inline="always")
def store_rows(rows, pitch, y, g, first, last, finish):  # type: ignore[no-untyped-def]
    """The reverse of :func:`load_rows`, finished."""
    at = first
    while at < last:
        n, start = divmod(at, y.shape[3])
        stop = min(y.shape[3], start + last - at)
        for k in range(y.shape[2]):
            source = rows + (k * pitch + at - first) * FLOAT_BYTES
            target = address(y[n, g, k], start)
            terms = address(finish.terms, (g * y.shape[2] + k) * TERMS)
            scaled, floor = finish.scaled, finish.floor
            finish_line((source, target, stop - start, terms, scaled, floor))
        at += stop - start
