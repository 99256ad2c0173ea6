"""Kernels of maximum pooling: plane by plane, one row of outputs at a time.

The rows of a window come first: the largest value of each column, side by side in one
line, which fills whole vectors whatever the size of the windows.  Then each window
takes the largest of its columns.  *window* is kernel, stride and pad, of H and of W
each.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from netspec.backends.cpu.threads import claim
from netspec.backends.reference.pooling import LOWEST
from netspec.compiled import njit

_LEAST = np.float32(LOWEST)
_NOWHERE = np.int32(1 << 30)  # place in a column with nothing above _LEAST
_SQUARES = ((2, 2), (3, 1), (3, 2))  # kernel and stride with loops of their own


def _across(kernel: int, stride: int) -> tuple[Callable[..., None], ...]:
    """Kernels for a row of windows that lie inside: with places, and without.

    With constants for kernel and stride, LLVM unrolls and vectorises them.
    """

    @njit(cache=True, nogil=True, error_model="numpy")
    def placed(line, places, y, index):  # type: ignore[no-untyped-def]
        for o in range(y.size):
            best, place = _LEAST, np.int32(kernel * kernel)
            for k in range(kernel):
                value = line[stride * o + k]
                candidate = places[stride * o + k] + np.int32(k)
                sooner = (value == best) & (candidate < place)
                better = (value > best) | sooner
                best = value if better else best
                place = candidate if better else place
            y[o] = best
            index[o] = place

    @njit(cache=True, nogil=True, error_model="numpy")
    def plain(line, y):  # type: ignore[no-untyped-def]
        for o in range(y.size):
            best = line[stride * o]
            for k in range(1, kernel):
                value = line[stride * o + k]
                best = value if value > best else best
            y[o] = best

    return placed, plain


_2x2_by_2, _plain_2x2_by_2 = _across(2, 2)
_3x3_by_1, _plain_3x3_by_1 = _across(3, 1)
_3x3_by_2, _plain_3x3_by_2 = _across(3, 2)


@njit(cache=True, nogil=True, error_model="numpy")
def max_pool(counter, tasks, workspace, group, x, y, index, window):  # type: ignore[no-untyped-def]
    """Planes x (P, H, W), y (P, OH, OW), index like y, or of no planes: not wanted.

    The workspace holds two lines of W.
    """
    width = x.shape[2]
    line = workspace[:width]
    places = workspace[width : 2 * width].view(np.int32)
    task = claim(counter)
    while task < tasks:
        for p in range(task * group, min((task + 1) * group, len(y))):
            if len(index):
                _maxima(x[p], window, line, places, y[p], index[p])
            else:
                _plain_maxima(x[p], window, line, y[p])
        task = claim(counter)


@njit(cache=True, nogil=True, error_model="numpy")
def max_pool_backward(counter, tasks, workspace, group, dy, index, dx, window):  # type: ignore[no-untyped-def]
    """Planes dy and index (P, OH, OW), dx (P, H, W)."""
    planes, out_h, out_w = dy.shape
    even = dx.shape[1] == 2 * out_h and dx.shape[2] == 2 * out_w
    tiled = even and window == (2, 2, 2, 2, 0, 0)
    task = claim(counter)
    while task < tasks:
        for p in range(task * group, min((task + 1) * group, planes)):
            if tiled:
                for oh in range(out_h):
                    upper, lower = dx[p, 2 * oh], dx[p, 2 * oh + 1]
                    _gradients_2x2(dy[p, oh], index[p, oh], upper, lower)
            else:
                _scatter(dy[p], index[p], window, dx[p])
        task = claim(counter)


@njit(cache=True, nogil=True, error_model="numpy")
def _maxima(x, window, line, places, y, index):  # type: ignore[no-untyped-def]
    """One plane, with the place of each maximum: the first, row by row."""
    kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w = window
    first, end = _whole_windows(x.shape[1], y.shape[1], window)
    whole = max(0, first * stride_w - pad_w)
    inner, inner_places = line[whole:], places[whole:]
    for oh in range(y.shape[0]):
        top = oh * stride_h - pad_h
        _columns(x, top, kernel_h, kernel_w, line, places)
        if first < end:
            row, at = y[oh, first:end], index[oh, first:end]
            if kernel_w == 2:
                _2x2_by_2(inner, inner_places, row, at)
            elif stride_w == 1:
                _3x3_by_1(inner, inner_places, row, at)
            else:
                _3x3_by_2(inner, inner_places, row, at)
        for o in range(y.shape[1] - (end - first)):
            ow = o if o < first else o + end - first
            best, place = _LEAST, np.int32(kernel_h * kernel_w)
            start = ow * stride_w - pad_w
            for w in range(max(0, start), min(x.shape[1], start + kernel_w)):
                candidate = places[w] + np.int32(w - start)
                if line[w] > best or (line[w] == best and candidate < place):
                    best, place = line[w], candidate
            y[oh, ow], index[oh, ow] = best, place


@njit(cache=True, nogil=True, error_model="numpy")
def _plain_maxima(x, window, line, y):  # type: ignore[no-untyped-def]
    """One plane."""
    kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w = window
    first, end = _whole_windows(x.shape[1], y.shape[1], window)
    inner = line[max(0, first * stride_w - pad_w) :]
    for oh in range(y.shape[0]):
        _plain_columns(x, oh * stride_h - pad_h, kernel_h, line)
        if first < end:
            row = y[oh, first:end]
            if kernel_w == 2:
                _plain_2x2_by_2(inner, row)
            elif stride_w == 1:
                _plain_3x3_by_1(inner, row)
            else:
                _plain_3x3_by_2(inner, row)
        for o in range(y.shape[1] - (end - first)):
            ow = o if o < first else o + end - first
            start = ow * stride_w - pad_w
            best = _LEAST
            for w in range(max(0, start), min(x.shape[1], start + kernel_w)):
                best = line[w] if line[w] > best else best
            y[oh, ow] = best


@njit(cache=True, nogil=True, error_model="numpy")
def _columns(x, top, kernel_h, kernel_w, line, places):  # type: ignore[no-untyped-def]
    """The maximum of each column of some rows, and its place in a window at column 0;
    NaN is none."""
    for w in range(line.size):
        line[w], places[w] = _LEAST, _NOWHERE
    for row in range(max(0, top), min(x.shape[0], top + kernel_h)):
        place = np.int32((row - top) * kernel_w)
        for w in range(line.size):
            better = x[row, w] > line[w]
            line[w] = x[row, w] if better else line[w]
            places[w] = place if better else places[w]


@njit(cache=True, nogil=True, error_model="numpy")
def _plain_columns(x, top, kernel_h, line):  # type: ignore[no-untyped-def]
    """The maximum of each column of some rows; NaN is none."""
    first, end = max(0, top), min(x.shape[0], top + kernel_h)
    for w in range(line.size):
        line[w] = _LEAST
    for row in range(first, end):
        for w in range(line.size):
            line[w] = x[row, w] if x[row, w] > line[w] else line[w]


@njit(cache=True, nogil=True, error_model="numpy")
def _whole_windows(width, out_w, window):  # type: ignore[no-untyped-def]
    """First and end of a row's outputs that kernels for square windows may take."""
    kernel_h, kernel, _, stride, _, pad = window
    if not (kernel_h == kernel and (kernel, stride) in _SQUARES):
        return 0, 0
    first = (pad + stride - 1) // stride
    end = (width + pad - kernel) // stride + 1
    return first, max(first, min(end, out_w))


@njit(cache=True, nogil=True, error_model="numpy")
def _gradients_2x2(dy, index, upper, lower):  # type: ignore[no-untyped-def]
    """A row of windows that tile the plane: each pixel is in one, and written once."""
    zero = np.float32(0)
    for o in range(dy.size):
        gradient, place = dy[o], index[o]
        upper[2 * o] = gradient if place == 0 else zero
        upper[2 * o + 1] = gradient if place == 1 else zero
        lower[2 * o] = gradient if place == 2 else zero
        lower[2 * o + 1] = gradient if place == 3 else zero


@njit(cache=True, nogil=True, error_model="numpy")
def _scatter(dy, index, window, dx):  # type: ignore[no-untyped-def]
    kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w = window
    dx[:] = 0
    for oh in range(dy.shape[0]):
        for ow in range(dy.shape[1]):
            place = np.int64(index[oh, ow])
            if place < kernel_h * kernel_w:
                h = oh * stride_h - pad_h + place // kernel_w
                dx[h, ow * stride_w - pad_w + place % kernel_w] += dy[oh, ow]
