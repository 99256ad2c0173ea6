"""Maximum pooling over windows of any size: plane by plane, a row of outputs at a time.

The rows of a window come first: the largest value of each column, side by side in one
line, which fills whole vectors whatever the size of the windows.  Then each window
takes the largest of its columns.  *window* is kernel, stride and pad, of H and of W
each.
"""

from __future__ import annotations

import numpy as np

from netspec.backends.cpu.threads import claim
from netspec.backends.reference.pooling import LOWEST
from netspec.compiled import njit

_LEAST = np.float32(LOWEST)
_NOWHERE = np.int32(1 << 30)  # place in a column with nothing above _LEAST


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
def max_pool_backward(counter, tasks, workspace, group, dx, dy, index, window):  # type: ignore[no-untyped-def]
    """Planes dy and index (P, OH, OW), dx (P, H, W)."""
    task = claim(counter)
    while task < tasks:
        for p in range(task * group, min((task + 1) * group, len(dy))):
            _scatter(dy[p], index[p], window, dx[p])
        task = claim(counter)


@njit(cache=True, nogil=True, error_model="numpy")
def _maxima(x, window, line, places, y, index):  # type: ignore[no-untyped-def]
    """One plane, with the place of each maximum: the first, row by row."""
    kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w = window
    for oh in range(y.shape[0]):
        top = oh * stride_h - pad_h
        _columns(x, top, kernel_h, kernel_w, line, places)
        for ow in range(y.shape[1]):
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
    for oh in range(y.shape[0]):
        _plain_columns(x, oh * stride_h - pad_h, kernel_h, line)
        for ow in range(y.shape[1]):
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
def _scatter(dy, index, window, dx):  # type: ignore[no-untyped-def]
    kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w = window
    dx[:] = 0
    for oh in range(dy.shape[0]):
        for ow in range(dy.shape[1]):
            place = np.int64(index[oh, ow])
            if place < kernel_h * kernel_w:
                h = oh * stride_h - pad_h + place // kernel_w
                dx[h, ow * stride_w - pad_w + place % kernel_w] += dy[oh, ow]
