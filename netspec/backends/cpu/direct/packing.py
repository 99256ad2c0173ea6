"""Bringing weights, images and gradients into the form that products take."""

from __future__ import annotations

import numpy as np

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.direct.beside import apart
from netspec.backends.cpu.epilogue import TERMS
from netspec.backends.cpu.frame import Array, weights
from netspec.backends.cpu.lines import address, copy, finish_line
from netspec.backends.cpu.threads import buffer, claim, share
from netspec.backends.cpu.unfold import unfold
from netspec.backends.cpu.vectors import FLOAT_BYTES, ROWS
from netspec.compiled import njit
from netspec.shapes import count

SOME = 64  # filters that are turned at once


def natural(w: Array, geo: ConvolutionGeometry) -> Array:
    """Weights as (G, K, taps), where a group of fewer than ROWS filters has ROWS: the
    last one again."""
    flat = weights(w, geo)
    missing = ROWS - flat.shape[1]
    if missing <= 0:
        return flat
    return np.concatenate([flat, flat[:, -1:].repeat(missing, axis=1)], axis=1)


def turned(w: Array, geo: ConvolutionGeometry) -> Array:
    """Weights of one tap as (G, C, K): those of the convolution that makes the data
    gradient; ROWS rows at least, as of :func:`natural`.

    Returns:
        An array that is valid until the next operation.
    """
    channels, filters = geo.channels // geo.group, geo.filters // geo.group
    shape = geo.group, max(channels, ROWS), filters
    u = buffer("weights", count(shape)).reshape(shape)
    share(_turn, geo.group * -(-filters // SOME), weights(w, geo), u, work=u.size)
    u[:, channels:] = u[:, channels - 1 : channels]
    return u


@njit(nogil=True, cache=True)
def _turn(counter, tasks, workspace, w, u):  # type: ignore[no-untyped-def]
    """One task is SOME filters of one group; w (G, K, C), u (G, C, K)."""
    filters, channels = w.shape[1:]
    each = (filters + SOME - 1) // SOME
    task = claim(counter)
    while task < tasks:
        g, block = divmod(task, each)
        k = block * SOME
        source, target = address(w[g, k], 0), address(u[g, 0], k)
        apart((source, channels, min(SOME, filters - k), target, filters, channels))
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
def store_rows(rows, pitch, y, g, low, filters, first, last, finish):  # type: ignore[no-untyped-def]
    """Outputs of *filters* from *low* on, as far as y has them, to their images,
    finished; the reverse of :func:`load_rows`."""
    at = first
    while at < last:
        n, start = divmod(at, y.shape[3])
        stop = min(y.shape[3], start + last - at)
        for k in range(min(filters, y.shape[2] - low)):
            source = rows + (k * pitch + at - first) * FLOAT_BYTES
            target = address(y[n, g, low + k], start)
            terms = address(finish.terms, (g * y.shape[2] + low + k) * TERMS)
            line = source, target, stop - start, terms
            ending = finish.scaled, finish.adds, finish.other, finish.floor
            finish_line(line + ending)
        at += stop - start
