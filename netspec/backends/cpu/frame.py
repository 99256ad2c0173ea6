"""Geometries and arrays as compiled convolution takes them: three spatial axes, groups
apart.

Fewer spatial axes are lifted to three by axes of length 1 in front.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from netspec.backends.base import ConvolutionGeometry
from netspec.shapes import Shape, count

Array = Any
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
    pointwise: bool  # every output sees one input, its own: an image is one line


def lifted(shape: Shape, fill: int = 1) -> Shape:
    """A shape of at most three spatial axes as one of three."""
    return (fill,) * (AXES - len(shape)) + shape


@lru_cache(maxsize=1024)
def frame(geo: ConvolutionGeometry) -> Frame:
    """The frame of a geometry of at most three spatial axes."""
    steps = (1,) if _pointwise(geo) else geo.stride  # along one line, none is skipped
    axes = (
        *lifted(_output(geo))[1:],
        *lifted(geo.kernel),
        *lifted(steps),
        *lifted(geo.pad, 0),
        *lifted(geo.dilation),
    )
    return Frame._make((*axes, _pointwise(geo)))


def _pointwise(geo: ConvolutionGeometry) -> bool:
    return geo.output == geo.input and count(geo.kernel) == 1 and not any(geo.pad)


def _output(geo: ConvolutionGeometry) -> Shape:
    return (count(geo.output),) if _pointwise(geo) else geo.output


def plain(*arrays: Array) -> bool:
    """Whether compiled code, made for contiguous float32, may take them."""
    return all(a.dtype == np.float32 and a.flags.c_contiguous for a in arrays)


def image(x: Array, geo: ConvolutionGeometry) -> Array:
    """x as (N, G, C / G, D, H, W)."""
    each = geo.channels // geo.group
    axes = (count(geo.input),) if _pointwise(geo) else geo.input
    return x.reshape(geo.batch, geo.group, each, *lifted(axes))


def with_neighbours(y: Array) -> Array:
    """Outputs (N, K, out...) that are some of the channels of a larger array: with as
    many channels as that has.

    What follows in each image is another's, and behind the last image nobody's.
    """
    if y.flags.c_contiguous:
        return y
    channels = y.strides[0] // y.strides[1]
    shape = (len(y), channels, *y.shape[2:])
    return np.lib.stride_tricks.as_strided(y, shape, y.strides)


def planes(y: Array, geo: ConvolutionGeometry) -> Array:
    """y as (N, G, K / G, D, H, W), or with neighbours in the third axis."""
    axes = lifted(_output(geo))
    each = y.size // (geo.batch * geo.group * count(axes))
    return y.reshape(geo.batch, geo.group, each, *axes)


def weights(w: Array, geo: ConvolutionGeometry) -> Array:
    """w as (G, K / G, taps)."""
    return w.reshape(geo.group, geo.filters // geo.group, geo.taps)


def positions(y: Array, geo: ConvolutionGeometry) -> Array:
    """y as (N, G, K / G, output positions), or with neighbours in the third axis."""
    each = y.size // (geo.batch * geo.group * count(geo.output))
    return y.reshape(geo.batch, geo.group, each, count(geo.output))


def macs(geo: ConvolutionGeometry) -> int:
    """Multiply-adds of the convolution."""
    return geo.batch * geo.filters * count(geo.output) * geo.taps
