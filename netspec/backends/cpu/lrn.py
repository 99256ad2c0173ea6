"""Local response normalisation by compiled kernels, in strips that fit the cache.

Across channels, with the beta of most nets, rows of a strip are vector instructions.
Rows of the workspace are cut out and copied by hand: compiling NumPy's way of either
takes two seconds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.base import LrnWindow
from netspec.backends.cpu import lrn_across
from netspec.backends.cpu.lrn_across import BETA, STRIP, window_of
from netspec.backends.cpu.pieces import over
from netspec.backends.cpu.recording import launches
from netspec.backends.cpu.threads import claim
from netspec.backends.reference.lrn import LrnOps
from netspec.compiled import njit

Array = Any

EFFORT = 20  # operations an element, roughly


class CpuLrnOps(LrnOps):
    """float32 by kernels; other types as the reference does."""

    @launches
    def lrn_across(self, x: Array, y: Array, window: LrnWindow) -> None:
        """See :meth:`LrnOps.lrn_across`."""
        if x.dtype != np.float32:
            super().lrn_across(x, y, window)
            return
        args = _across_args((x, y), window)
        kernel = lrn_across.across if window.beta == BETA else _across
        over(kernel, *args, workspace=2 * STRIP, effort=EFFORT)

    @launches
    def lrn_across_backward(
        self, x: Array, dy: Array, dx: Array, window: LrnWindow
    ) -> None:
        """See :meth:`LrnOps.lrn_across_backward`."""
        if x.dtype != np.float32:
            super().lrn_across_backward(x, dy, dx, window)
            return
        args, rows = _across_args((x, dy, dx), window), x.shape[1] + 2
        is_common = window.beta == BETA
        kernel = lrn_across.across_backward if is_common else _across_backward
        over(kernel, *args, workspace=rows * STRIP, effort=EFFORT)

    @launches
    def lrn_within(self, x: Array, y: Array, window: LrnWindow) -> None:
        """See :meth:`LrnOps.lrn_within`."""
        if x.dtype != np.float32:
            super().lrn_within(x, y, window)
            return
        args = _within_args((x, y), window)
        space = (x.shape[2] + 3) * (x.shape[3] + window.size)
        over(_within, *args, workspace=space, effort=EFFORT)

    @launches
    def lrn_within_backward(
        self, x: Array, dy: Array, dx: Array, window: LrnWindow
    ) -> None:
        """See :meth:`LrnOps.lrn_within_backward`."""
        if x.dtype != np.float32:
            super().lrn_within_backward(x, dy, dx, window)
            return
        args = _within_args((x, dy, dx), window)
        space = (2 * x.shape[2] + 3) * (x.shape[3] + window.size)
        over(_within_backward, *args, workspace=space, effort=EFFORT)


def _across_args(arrays: tuple[Array, ...], window: LrnWindow) -> tuple[Any, ...]:
    """Strips in all, their size, and what the kernels across take."""
    views = [a.reshape(a.shape[0], a.shape[1], -1) for a in arrays]
    batch, channels, pixels = views[0].shape
    strips = batch * -(-pixels // STRIP)
    return strips, channels * STRIP, *views, *_constants(window, 1)


def _within_args(arrays: tuple[Array, ...], window: LrnWindow) -> tuple[Any, ...]:
    """Planes in all, their size, and what the kernels within take."""
    views = [a.reshape(-1, *a.shape[2:]) for a in arrays]
    planes, height, width = views[0].shape
    return planes, height * width, *views, *_constants(window, 2)


def _constants(window: LrnWindow, axes: int) -> tuple[Any, ...]:
    """Size, alpha / n, beta, k and 2 alpha beta / n, in float32."""
    share = window.alpha / window.size**axes
    numbers = (share, window.beta, window.k, 2 * share * window.beta)
    return (window.size, *map(np.float32, numbers))


@njit(cache=True, nogil=True, error_model="numpy")
def _across(counter, tasks, workspace, group, x, y, size, share, beta, k, _):  # type: ignore[no-untyped-def]
    batch, channels, pixels = x.shape
    strips = (pixels + STRIP - 1) // STRIP
    strip = (pixels + strips - 1) // strips
    s_row, shrunk_row = workspace[:STRIP], workspace[STRIP : 2 * STRIP]
    task = claim(counter)
    while task < tasks:
        for thing in range(task * group, min((task + 1) * group, batch * strips)):
            n, start = thing // strips, thing % strips * strip
            stop = min(start + strip, pixels)
            s, shrunk = s_row[: stop - start], shrunk_row[: stop - start]
            for c in range(channels):
                _spread(x[n], c, start, size, share, k, s)
                _shrink(s, beta, shrunk)
                _multiply(x[n, c, start:stop], shrunk, y[n, c, start:stop])
        task = claim(counter)


@njit(cache=True, nogil=True, error_model="numpy")
def _across_backward(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, group, x, dy, dx, size, share, beta, k, double
):
    batch, channels, pixels = x.shape
    strips = (pixels + STRIP - 1) // STRIP
    strip = (pixels + strips - 1) // strips
    s_row, shrunk_row = workspace[:STRIP], workspace[STRIP : 2 * STRIP]
    terms = workspace[2 * STRIP :]
    task = claim(counter)
    while task < tasks:
        for thing in range(task * group, min((task + 1) * group, batch * strips)):
            n, start = thing // strips, thing % strips * strip
            stop = min(start + strip, pixels)
            s, shrunk = s_row[: stop - start], shrunk_row[: stop - start]
            for c in range(channels):
                _spread(x[n], c, start, size, share, k, s)
                _shrink(s, beta, shrunk)
                row, gradient = x[n, c, start:stop], dy[n, c, start:stop]
                term = terms[c * STRIP :]
                _first_term(row, gradient, s, shrunk, dx[n, c, start:stop], term)
            for c in range(channels):
                _sum_rows(terms, STRIP, channels, c, size, s)
                _second_term(x[n, c, start:stop], s, double, dx[n, c, start:stop])
        task = claim(counter)


@njit(cache=True, nogil=True, error_model="numpy")
def _within(counter, tasks, workspace, group, x, y, size, share, beta, k, _):  # type: ignore[no-untyped-def]
    planes, height, width = x.shape
    column, s, rest = _rows(workspace, width, size)
    shrunk, squares = rest[:width], rest[width:]
    task = claim(counter)
    while task < tasks:
        for p in range(task * group, min((task + 1) * group, planes)):
            _square(x[p], squares)
            for h in range(height):
                _box(squares, height, h, size, column, s)
                _finish(s, share, k)
                _shrink(s, beta, shrunk)
                _multiply(x[p, h], shrunk, y[p, h])
        task = claim(counter)


@njit(cache=True, nogil=True, error_model="numpy")
def _within_backward(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, group, x, dy, dx, size, share, beta, k, double
):
    planes, height, width = x.shape
    column, s, rest = _rows(workspace, width, size)
    shrunk, squares = rest[:width], rest[width:]
    terms = squares[height * width :]
    task = claim(counter)
    while task < tasks:
        for p in range(task * group, min((task + 1) * group, planes)):
            _square(x[p], squares)
            for h in range(height):
                _box(squares, height, h, size, column, s)
                _finish(s, share, k)
                _shrink(s, beta, shrunk)
                term = terms[h * width :]
                _first_term(x[p, h], dy[p, h], s, shrunk, dx[p, h], term)
            for h in range(height):
                _box(terms, height, h, size, column, s)
                _second_term(x[p, h], s, double, dx[p, h])
        task = claim(counter)


@njit(cache=True, nogil=True, error_model="numpy")
def _rows(workspace, width, size):  # type: ignore[no-untyped-def]
    """A row with margins of 0, a row, and what is left of the workspace."""
    wide = width + size - 1
    workspace[:wide] = 0
    return workspace[:wide], workspace[wide : wide + width], workspace[wide + width :]


@njit(cache=True, nogil=True, error_model="numpy")
def _spread(x, c, start, size, share, k, s):  # type: ignore[no-untyped-def]
    """The s of channel *c* of x (C, pixels), from pixel *start* on."""
    s[:] = 0
    for j in range(*window_of(c, len(x), size)):
        row = x[j, start : start + s.size]
        for i in range(s.size):
            s[i] += row[i] * row[i]
    _finish(s, share, k)


@njit(cache=True, nogil=True, error_model="numpy")
def _finish(s, share, k):  # type: ignore[no-untyped-def]
    """From sums of squares to s."""
    for i in range(s.size):
        s[i] = k + share * s[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _shrink(s, beta, shrunk):  # type: ignore[no-untyped-def]
    """s^-beta, into another row.  Most nets' beta is 0.75: square roots vectorise."""
    if beta == np.float32(0.75):
        for i in range(s.size):
            root = np.float32(1) / np.sqrt(s[i])
            shrunk[i] = root * np.sqrt(root)
    else:
        for i in range(s.size):
            shrunk[i] = s[i] ** -beta


@njit(cache=True, nogil=True, error_model="numpy")
def _multiply(x, s, y):  # type: ignore[no-untyped-def]
    for i in range(s.size):
        y[i] = x[i] * s[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _first_term(x, dy, s, shrunk, dx, terms):  # type: ignore[no-untyped-def]
    """First term of dx, and what the sum in the second runs over."""
    for i in range(s.size):
        direct = dy[i] * shrunk[i]
        dx[i] = direct
        terms[i] = direct * x[i] / s[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _second_term(x, total, double, dx):  # type: ignore[no-untyped-def]
    for i in range(total.size):
        dx[i] -= double * x[i] * total[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_rows(rows, step, count, c, size, total):  # type: ignore[no-untyped-def]
    """*size* rows around row *c*, added up; *count* rows begin *step* apart."""
    total[:] = 0
    for j in range(*window_of(c, count, size)):
        row = rows[j * step :]
        for i in range(total.size):
            total[i] += row[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _box(plane, height, h, size, column, total):  # type: ignore[no-untyped-def]
    """Sums over size × size around each place of row *h*; *column* has margins of 0."""
    half, width = size // 2, total.size
    _sum_rows(plane, width, height, h, size, column[half : half + width])
    total[:] = 0
    for j in range(size):
        shifted = column[j : j + width]
        for i in range(width):
            total[i] += shifted[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _square(x, squares):  # type: ignore[no-untyped-def]
    for h in range(x.shape[0]):
        row, out = x[h], squares[h * x.shape[1] :]
        for i in range(row.size):
            out[i] = row[i] * row[i]
