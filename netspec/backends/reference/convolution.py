"""Convolution in plain NumPy, any float type, any number of spatial axes.

A convolution is a sum over the kernel's taps: for each tap, the weights of that tap
times the input shifted to it.  All three operations below are that one sum, read in
three directions, so each is the exact adjoint of the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from netspec.backends.base import ConvolutionGeometry, Epilogue, PoolingGeometry
from netspec.shapes import count, window_extent

Array = Any
Tap = tuple[int, ...]
Index = tuple[slice, ...]


class ConvolutionOps:
    """Caffe's Convolution and Deconvolution.

    Shapes: x (N, C, in...), w (K, C / group, kernel...), b (K,), y (N, K, out...);
    the geometry is ``geo``.  A deconvolution is the same arithmetic with x and y
    exchanged, so its geometry is that of the convolution it reverses.
    """

    def convolution_forward(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        y: Array,
        geo: ConvolutionGeometry,
        after: Epilogue | None = None,
    ) -> None:
        """y = w * x + b, and what comes *after* it.

        Only where :meth:`pools_convolution` says so may that be a pooling, and y
        smaller.
        """
        if after and after.other is not None:
            after = replace(after, other=after.other.copy())  # it may be y
        padded = with_margins(x, geo)
        total = _grouped(y, geo)
        total[...] = 0
        for tap, window in taps(geo):
            total += _tap_weights(w, tap, geo) @ _shifted(padded, window, geo)
        if b is not None:
            self.channel_bias(y, b)
        if after:
            self._finish(y, after)

    def pools_convolution(
        self,
        geo: ConvolutionGeometry,
        pooling: PoolingGeometry,
        dtype: str,
        placed: bool = False,
    ) -> bool:
        """Whether a convolution may be asked for this maximum pooling as well.

        Args:
            placed: and for the places of the maxima.
        """
        return False

    def adds_to_convolution(self) -> bool:
        """Whether a convolution may be asked to add an array as well."""
        return True

    def parts_convolution(self, geo: ConvolutionGeometry, dtype: str) -> bool:
        """Whether y may be some of the channels of a larger array."""
        return True

    def _finish(self, y: Array, after: Epilogue) -> None:
        """Normalise and scale y (N, K, ...), add to it, and rectify it."""
        ops: Any = self
        if after.mean is not None:
            ops.batch_norm(y, after.mean, after.variance, after.eps, y)
        if after.scale is not None or after.shift is not None:
            flat = y.reshape(*y.shape[:2], -1)
            ops.affine(flat, after.scale, after.shift, flat)
        if after.other is not None:
            ops.add(y, after.other, y)
        if after.relu:
            ops.relu(y, y)

    def convolution_backward(
        self,
        x: Array,
        w: Array,
        dy: Array,
        dx: Array | None,
        dw: Array | None,
        db: Array | None,
        geo: ConvolutionGeometry,
    ) -> None:
        """All the gradients that are wanted: dx overwritten, dw and db added to."""
        if dx is not None:
            self.convolution_backward_data(dy, w, dx, geo)
        if dw is not None:
            self.convolution_backward_weights(x, dy, dw, geo)
        if db is not None:
            self.channel_sums(dy, db)

    def convolution_backward_data(
        self, dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry
    ) -> None:
        """The input's gradient: each dy times its weights, laid back onto dx."""
        padded = with_margins(dx, geo)
        padded[...] = 0
        above = _grouped(dy, geo)
        for tap, window in taps(geo):
            part = _tap_weights(w, tap, geo).swapaxes(1, 2) @ above
            padded[window] += part.reshape(geo.batch, geo.channels, *geo.output)
        dx[...] = padded[inside(geo)]

    def convolution_backward_weights(
        self, x: Array, dy: Array, dw: Array, geo: ConvolutionGeometry
    ) -> None:
        """The weights' gradient, added to dw."""
        padded = with_margins(x, geo)
        above = _grouped(dy, geo)
        for tap, window in taps(geo):
            part = above @ _shifted(padded, window, geo).swapaxes(2, 3)
            each = (geo.filters, geo.channels // geo.group)
            dw[(..., *tap)] += part.sum(axis=0).reshape(each)

    def deconvolution_forward(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        y: Array,
        geo: ConvolutionGeometry,
    ) -> None:
        """Caffe's Deconvolution: x has the shape of geo's output, y of its input."""
        self.convolution_backward_data(x, w, y, geo)
        if b is not None:
            self.channel_bias(y, b)

    def deconvolution_backward(
        self,
        x: Array,
        w: Array,
        dy: Array,
        dx: Array | None,
        dw: Array | None,
        db: Array | None,
        geo: ConvolutionGeometry,
    ) -> None:
        """All the gradients that are wanted: dx overwritten, dw and db added to."""
        if dx is not None:
            self.convolution_forward(dy, w, None, dx, geo)
        if dw is not None:
            self.convolution_backward_weights(dy, x, dw, geo)
        if db is not None:
            self.channel_sums(dy, db)

    def channel_bias(self, y: Array, b: Array) -> None:
        """Add b[k] to channel k of y (N, K, ...)."""
        y += b.reshape(-1, *(1,) * (y.ndim - 2))

    def channel_sums(self, dy: Array, db: Array) -> None:
        """Add the sum of each channel of dy (N, K, ...) to db (K,)."""
        db += dy.sum(axis=(0, *range(2, dy.ndim)))


def taps(geo: ConvolutionGeometry) -> Iterator[tuple[Tap, Index]]:
    """Each tap of the kernel, with the part of the padded input that it meets."""
    for tap in product(*map(range, geo.kernel)):
        starts = [t * d for t, d in zip(tap, geo.dilation, strict=True)]
        axes = zip(starts, geo.output, geo.stride, strict=True)
        meets = [slice(a, a + (n - 1) * step + 1, step) for a, n, step in axes]
        yield tap, (slice(None), slice(None), *meets)


def with_margins(x: Array, geo: ConvolutionGeometry) -> Array:
    """x with zeros around it, as far as the last window reaches."""
    margins = [(0, 0), (0, 0)]
    axes = (geo.input, geo.kernel, geo.stride, geo.pad, geo.dilation, geo.output)
    for size, kernel, step, pad, dilation, out in zip(*axes, strict=True):
        reach = (out - 1) * step + window_extent(kernel, dilation)
        margins.append((pad, max(pad, reach - size - pad)))
    return np.pad(x, margins)


def inside(geo: ConvolutionGeometry) -> Index:
    """Where the input itself lies in the padded one."""
    axes = zip(geo.pad, geo.input, strict=True)
    return (slice(None), slice(None), *(slice(pad, pad + n) for pad, n in axes))


def _grouped(y: Array, geo: ConvolutionGeometry) -> Array:
    """y as (N, group, K / group, positions)."""
    each = geo.filters // geo.group
    return y.reshape(geo.batch, geo.group, each, count(geo.output))


def _shifted(padded: Array, window: Index, geo: ConvolutionGeometry) -> Array:
    """The input that one tap meets, as (N, group, C / group, positions)."""
    each = geo.channels // geo.group
    return padded[window].reshape(geo.batch, geo.group, each, count(geo.output))


def _tap_weights(w: Array, tap: Tap, geo: ConvolutionGeometry) -> Array:
    """The weights of one tap, as (group, K / group, C / group)."""
    each = (geo.filters // geo.group, geo.channels // geo.group)
    return w[(..., *tap)].reshape(geo.group, *each)
