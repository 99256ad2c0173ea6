"""Unfolding: the values that each output position meets, as the columns of a matrix.

Compiled code works on three spatial axes; geometries of fewer are lifted to three.
Matrices hold one row a tap (channel, then kernel position) and one column an output
position, for a stretch of positions only, so that they stay in the cache.
"""

from __future__ import annotations

from typing import NamedTuple

from numba import njit

from netspec.backends.base import ConvolutionGeometry
from netspec.shapes import Shape

AXES = 3


class Frame(NamedTuple):
    """A geometry of three spatial axes, as compiled code takes it."""

    out_h: int
    out_w: int
    kernel_d: int
    kernel_h: int
    kernel_w: int
    stride_d: int
    stride_h: int
    stride_w: int
    pad_d: int
    pad_h: int
    pad_w: int
    dilation_d: int
    dilation_h: int
    dilation_w: int


def lifted(shape: Shape, fill: int = 1) -> Shape:
    """A shape of at most three spatial axes as one of three."""
    return (fill,) * (AXES - len(shape)) + shape


def frame(geo: ConvolutionGeometry) -> Frame:
    """The frame of a geometry of at most three spatial axes."""
    return Frame(
        *lifted(geo.output)[1:],
        *lifted(geo.kernel),
        *lifted(geo.stride),
        *lifted(geo.pad, 0),
        *lifted(geo.dilation),
    )


@njit(nogil=True, cache=True)
def unfold(image, columns, first, last, f):  # type: ignore[no-untyped-def]
    """Fill *columns* for output positions *first* to *last* of image (C, D, H, W)."""
    taps = f.kernel_d * f.kernel_h * f.kernel_w
    start = first
    while start < last:
        line, left = divmod(start, f.out_w)
        stop = min(last, start + f.out_w - left)
        d0, h0 = _origin(line, f)
        for tap in range(taps):
            d, h, shift = _meets(d0, h0, tap, f)
            if 0 <= d < image.shape[1] and 0 <= h < image.shape[2]:
                low, high = _inside(left, stop - start, shift, f.stride_w, image)
                for c in range(image.shape[0]):
                    target = columns[c * taps + tap, start - first : stop - first]
                    source = image[c, d, h]
                    target[:low] = 0
                    _pick(source, target, low, high, left, shift, f.stride_w)
                    target[high:] = 0
            else:
                for c in range(image.shape[0]):
                    columns[c * taps + tap, start - first : stop - first] = 0
        start = stop


@njit(nogil=True, cache=True)
def fold(image, columns, first, last, f):  # type: ignore[no-untyped-def]
    """Add *columns* back onto the image they would have come from: unfold's adjoint."""
    taps = f.kernel_d * f.kernel_h * f.kernel_w
    start = first
    while start < last:
        line, left = divmod(start, f.out_w)
        stop = min(last, start + f.out_w - left)
        d0, h0 = _origin(line, f)
        for tap in range(taps):
            d, h, shift = _meets(d0, h0, tap, f)
            if 0 <= d < image.shape[1] and 0 <= h < image.shape[2]:
                low, high = _inside(left, stop - start, shift, f.stride_w, image)
                for c in range(image.shape[0]):
                    source = columns[c * taps + tap, start - first : stop - first]
                    _drop(source, image[c, d, h], low, high, left, shift, f.stride_w)
        start = stop


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
def _pick(source, target, low, high, left, shift, stride):  # type: ignore[no-untyped-def]
    at = left * stride + shift
    if stride == 1:
        for i in range(low, high):
            target[i] = source[at + i]
    else:
        for i in range(low, high):
            target[i] = source[at + i * stride]


@njit(nogil=True, cache=True)
def _drop(source, target, low, high, left, shift, stride):  # type: ignore[no-untyped-def]
    at = left * stride + shift
    if stride == 1:
        for i in range(low, high):
            target[at + i] += source[i]
    else:
        for i in range(low, high):
            target[at + i * stride] += source[i]
