"""Convolution with few channels a group, line by line.

Where a group has so few channels that its matrices would be slivers (depthwise
convolution has one), each output line is the sum of the input lines that it meets,
times their weights; lines stay in the first cache.  x is
(N, G, C / G, D, H, W), w (G, K / G, taps), y (N, G, K / G, D, H, W).
"""

from __future__ import annotations

import numpy as np

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.epilogue import (
    BIAS,
    INVERSE,
    MEAN,
    SCALE,
    SHIFT,
    Finish,
)
from netspec.backends.cpu.frame import Array, frame, image, macs, planes, weights
from netspec.backends.cpu.lines import address, complete_line
from netspec.backends.cpu.threads import claim, share
from netspec.compiled import njit


def forward(
    x: Array, w: Array, y: Array, geo: ConvolutionGeometry, last: Finish
) -> None:
    """y = w * x, finished."""
    tasks = geo.batch * geo.group
    arrays = image(x, geo), weights(w, geo), planes(y, geo)
    share(
        _forward, tasks, *arrays, last, frame(geo), workspace=frame(geo).out_w,
        work=macs(geo),
    )  # fmt: skip


def backward_data(dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry) -> None:
    """dx = wᵀ * dy."""
    tasks = geo.batch * geo.group
    arrays = planes(dy, geo), weights(w, geo), image(dx, geo)
    share(_backward_data, tasks, *arrays, frame(geo), work=macs(geo))


def backward_weights(x: Array, dy: Array, dw: Array, geo: ConvolutionGeometry) -> None:
    """dw += dy xᵀ."""
    arrays = image(x, geo), planes(dy, geo), weights(dw, geo)
    share(
        _backward_weights, geo.group, *arrays, frame(geo), workspace=geo.taps,
        work=macs(geo),
    )  # fmt: skip


@njit(nogil=True, cache=True)
def _forward(counter, tasks, workspace, x, w, y, last, f):  # type: ignore[no-untyped-def]
    """y = w * x; one task is one group of one image."""
    filters = y.shape[2]
    task = claim(counter)
    while task < tasks:
        n, g = divmod(task, y.shape[1])
        for k in range(filters):
            terms = last.terms[g * filters + k]
            _plane(x[n, g], w[g, k], y[n, g, k], workspace, terms, last, f)
        task = claim(counter)


@njit(nogil=True, cache=True)
def _plane(x, w, y, workspace, terms, last, f):  # type: ignore[no-untyped-def]
    taps = f.kernel_d * f.kernel_h * f.kernel_w
    for line in range(y.shape[0] * y.shape[1]):
        output = y[line // f.out_h, line % f.out_h]
        # What is added may lie where the outputs come to lie.
        target = workspace[: f.out_w] if last.adds else output
        _fill(target, terms[BIAS])
        d0, h0 = _origin(line, f)
        for tap in range(taps):
            d, h, shift = _meets(d0, h0, tap, f)
            if 0 <= d < x.shape[1] and 0 <= h < x.shape[2]:
                low, high = _inside(0, f.out_w, shift, f.stride_w, x)
                for c in range(x.shape[0]):
                    weight = w[c * taps + tap]
                    source = x[c, d, h]
                    _add(source, weight, target, low, high, shift, f.stride_w)
        if last.scaled:
            _scale(target, terms[MEAN], terms[INVERSE], terms[SCALE], terms[SHIFT])
        if last.adds:
            places = address(target, 0), address(output, 0)
            complete_line((*places, f.out_w, last.other, last.floor))
        elif last.floor == 0:
            _clip(target)


@njit(nogil=True, cache=True)
def _scale(values, mean, inverse, scale, shift):  # type: ignore[no-untyped-def]
    for i in range(values.size):
        values[i] = (values[i] - mean) * inverse * scale + shift


@njit(nogil=True, cache=True)
def _clip(values):  # type: ignore[no-untyped-def]
    """Negative values to 0; NaN stays, so that a diverging net shows."""
    zero = np.float32(0)
    for i in range(values.size):
        value = values[i]
        values[i] = zero if value < zero else value


@njit(nogil=True, cache=True, fastmath={"contract"})
def _add(source, weight, target, low, high, shift, stride):  # type: ignore[no-untyped-def]
    met = source[low * stride + shift :]
    grown = target[low:high]
    if stride == 1:
        for i in range(grown.size):
            grown[i] += weight * met[i]
    else:
        for i in range(grown.size):
            grown[i] += weight * met[i * stride]


@njit(nogil=True, cache=True)
def _backward_data(counter, tasks, workspace, dy, w, dx, f):  # type: ignore[no-untyped-def]
    """dx = wᵀ * dy; one task is one group of one image."""
    task = claim(counter)
    while task < tasks:
        n, g = divmod(task, dy.shape[1])
        _fill(dx[n, g].reshape(-1), 0)
        for k in range(dy.shape[2]):
            _spread(dy[n, g, k], w[g, k], dx[n, g], f)
        task = claim(counter)


@njit(nogil=True, cache=True)
def _spread(dy, w, dx, f):  # type: ignore[no-untyped-def]
    taps = f.kernel_d * f.kernel_h * f.kernel_w
    for line in range(dy.shape[0] * dy.shape[1]):
        source = dy[line // f.out_h, line % f.out_h]
        d0, h0 = _origin(line, f)
        for tap in range(taps):
            d, h, shift = _meets(d0, h0, tap, f)
            if 0 <= d < dx.shape[1] and 0 <= h < dx.shape[2]:
                low, high = _inside(0, f.out_w, shift, f.stride_w, dx)
                for c in range(dx.shape[0]):
                    weight = w[c * taps + tap]
                    target = dx[c, d, h]
                    _lay(source, weight, target, low, high, shift, f.stride_w)


@njit(nogil=True, cache=True, fastmath={"contract"})
def _lay(source, weight, target, low, high, shift, stride):  # type: ignore[no-untyped-def]
    given = source[low:high]
    grown = target[low * stride + shift :]
    if stride == 1:
        for i in range(given.size):
            grown[i] += weight * given[i]
    else:
        for i in range(given.size):
            grown[i * stride] += weight * given[i]


@njit(nogil=True, cache=True)
def _backward_weights(counter, tasks, workspace, x, dy, dw, f):  # type: ignore[no-untyped-def]
    """dw += dy xᵀ; one task is one group, all images."""
    task = claim(counter)
    while task < tasks:
        for k in range(dy.shape[2]):
            total, target = workspace[: dw.shape[2]], dw[task, k]
            _fill(total, 0)
            for n in range(x.shape[0]):
                _meeting(x[n, task], dy[n, task, k], total, f)
            for t in range(total.size):
                target[t] += total[t]
        task = claim(counter)


@njit(nogil=True, cache=True)
def _meeting(x, dy, total, f):  # type: ignore[no-untyped-def]
    taps = f.kernel_d * f.kernel_h * f.kernel_w
    for line in range(dy.shape[0] * dy.shape[1]):
        above = dy[line // f.out_h, line % f.out_h]
        d0, h0 = _origin(line, f)
        for tap in range(taps):
            d, h, shift = _meets(d0, h0, tap, f)
            if 0 <= d < x.shape[1] and 0 <= h < x.shape[2]:
                low, high = _inside(0, f.out_w, shift, f.stride_w, x)
                for c in range(x.shape[0]):
                    total[c * taps + tap] += _dot(
                        x[c, d, h], above, low, high, shift, f.stride_w
                    )


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})
def _dot(source, above, low, high, shift, stride):  # type: ignore[no-untyped-def]
    total = source.dtype.type(0)
    met = source[low * stride + shift :]
    given = above[low:high]
    if stride == 1:
        for i in range(given.size):
            total += given[i] * met[i]
    else:
        for i in range(given.size):
            total += given[i] * met[i * stride]
    return total


@njit(nogil=True, cache=True)
def _origin(line, f):  # type: ignore[no-untyped-def]
    """Where the window of an output line begins, in depth and height."""
    od, oh = divmod(line, f.out_h)
    return od * f.stride_d - f.pad_d, oh * f.stride_h - f.pad_h


@njit(nogil=True, cache=True)
def _meets(d0, h0, tap, f):  # type: ignore[no-untyped-def]
    """The input line that a tap meets, and the shift of its columns."""
    rest, kw = divmod(tap, f.kernel_w)
    kd, kh = divmod(rest, f.kernel_h)
    d, h = d0 + kd * f.dilation_d, h0 + kh * f.dilation_h
    return d, h, kw * f.dilation_w - f.pad_w


@njit(nogil=True, cache=True)
def _inside(left, width, shift, stride, image):  # type: ignore[no-untyped-def]
    """Which of *width* outputs from *left* on meet the input and not its margin."""
    low = (max(-shift, 0) + stride - 1) // stride - left
    high = (image.shape[3] - shift + stride - 1) // stride - left
    low = min(max(low, 0), width)
    return low, min(max(high, low), width)


@njit(nogil=True, cache=True)
def _fill(values, value):  # type: ignore[no-untyped-def]
    """Set all of a vector; an assignment to a slice takes far longer to compile."""
    for i in range(values.size):
        values[i] = value
