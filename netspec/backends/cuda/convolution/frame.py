"""How a convolution is seen by kernels of two spatial axes."""

from __future__ import annotations

from dataclasses import replace

from netspec.backends.base import ConvolutionGeometry

AXES = 2


def in_plane(geo: ConvolutionGeometry) -> ConvolutionGeometry:
    """The same convolution with axes of one pixel before its own, if it has too few."""
    missing = AXES - len(geo.input)
    if missing <= 0:
        return geo
    ones, zeros = (1,) * missing, (0,) * missing
    return replace(
        geo,
        input=ones + geo.input,
        kernel=ones + geo.kernel,
        stride=ones + geo.stride,
        pad=zeros + geo.pad,
        dilation=ones + geo.dilation,
    )


def products(geo: ConvolutionGeometry) -> int:
    """Products that one tap makes of one position in one group."""
    return geo.channels // geo.group * (geo.filters // geo.group)
