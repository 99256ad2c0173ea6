"""Kernels of maximum pooling: plane by plane, one row of outputs at a time.

*window* is kernel, stride and pad, of H and of W each.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from netspec.backends.cpu.threads import claim
from netspec.backends.reference.pooling import LOWEST
from netspec.compiled import njit

_LEAST = np.float32(LOWEST)


def _square(kernel: int, stride: int) -> Callable[..., None]:
    """A kernel for a row of square windows, all places of a window in registers.

    LLVM vectorises it: the stride is a constant, the loops over places are unrolled,
    and choices are between two values at hand.
    """

    @njit(cache=True, nogil=True, error_model="numpy")
    def maxima(a, b, c, y, index):  # type: ignore[no-untyped-def]
        for o in range(y.size):
            best, place = _LEAST, np.int32(kernel * kernel)
            for k in range(kernel):
                better = a[stride * o + k] > best
                best = a[stride * o + k] if better else best
                place = np.int32(k) if better else place
            for k in range(kernel):
                better = b[stride * o + k] > best
                best = b[stride * o + k] if better else best
                place = np.int32(kernel + k) if better else place
            if kernel == 3:
                for k in range(kernel):
                    better = c[stride * o + k] > best
                    best = c[stride * o + k] if better else best
                    place = np.int32(2 * kernel + k) if better else place
            y[o] = best
            index[o] = place

    return maxima


_2x2_by_2 = _square(2, 2)
_3x3_by_1 = _square(3, 1)
_3x3_by_2 = _square(3, 2)


@njit(cache=True, nogil=True, error_model="numpy")
def max_pool(counter, tasks, workspace, group, x, y, index, window):  # type: ignore[no-untyped-def]
    """Planes x (P, H, W), y (P, OH, OW), index like y, or of no planes: not wanted."""
    spare = np.empty(y.shape[1:], index.dtype)
    task = claim(counter)
    while task < tasks:
        for p in range(task * group, min((task + 1) * group, len(y))):
            places = index[p] if len(index) else spare
            _maxima(x[p], window, y[p], places)
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
def _maxima(x, window, y, index):  # type: ignore[no-untyped-def]
    """One plane: windows inside it by kernels for them, the others one by one."""
    kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w = window
    out_h, out_w = y.shape
    first, end = _whole_windows(x.shape[1], out_w, window)
    for oh in range(out_h):
        top = oh * stride_h - pad_h
        inside = first < end and 0 <= top <= x.shape[0] - kernel_h
        if inside:
            left = first * stride_w - pad_w
            a, b, c = x[top, left:], x[top + 1, left:], x[top + kernel_h - 1, left:]
            _whole_maxima(a, b, c, window, y[oh, first:end], index[oh, first:end])
        done = end - first if inside else 0
        for o in range(out_w - done):
            ow = o + done if inside and o >= first else o
            left = ow * stride_w - pad_w
            y[oh, ow], index[oh, ow] = _maximum(x, top, left, kernel_h, kernel_w)


@njit(cache=True, nogil=True, error_model="numpy")
def _maximum(x, top, left, kernel_h, kernel_w):  # type: ignore[no-untyped-def]
    """The maximum of one window and its place."""
    height, width = x.shape
    best, place = _LEAST, kernel_h * kernel_w
    for row in range(max(0, -top), min(kernel_h, height - top)):
        for column in range(max(0, -left), min(kernel_w, width - left)):
            if x[top + row, left + column] > best:
                best = x[top + row, left + column]
                place = row * kernel_w + column
    return best, place


@njit(cache=True, nogil=True, error_model="numpy")
def _whole_windows(width, out_w, window):  # type: ignore[no-untyped-def]
    """First and end of a row's outputs that kernels for square windows may take."""
    kernel_h, kernel, _, stride, _, pad = window
    if not (kernel_h == kernel and (kernel, stride) in ((2, 2), (3, 1), (3, 2))):
        return 0, 0
    first = (pad + stride - 1) // stride
    end = (width + pad - kernel) // stride + 1
    return first, max(first, min(end, out_w))


@njit(cache=True, nogil=True, error_model="numpy")
def _whole_maxima(a, b, c, window, y, index):  # type: ignore[no-untyped-def]
    """A row of square windows over pixel rows a, b and, for a kernel of 3, c."""
    if window[0] == 2:
        _2x2_by_2(a, b, c, y, index)
    elif window[3] == 1:
        _3x3_by_1(a, b, c, y, index)
    else:
        _3x3_by_2(a, b, c, y, index)


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
