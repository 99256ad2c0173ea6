"""The gradient of data, dx = wᵀ * dy: one of several ways, chosen by geometry alone.

``gathering`` and ``scattering`` are for kernels of many taps, ``folding`` for few
channels; where there is one tap it is a product of matrices, which is a convolution
again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.direct.folding import fold_back
from netspec.backends.cpu.direct.gathering import gather_gradients
from netspec.backends.cpu.direct.products import convolve
from netspec.backends.cpu.direct.scattering import scatter
from netspec.backends.cpu.direct.skipping import met, place, room
from netspec.backends.cpu.direct.weight_cut import vectors
from netspec.backends.cpu.epilogue import finish
from netspec.backends.cpu.frame import Array, frame, image, positions, weights
from netspec.backends.cpu.vectors import WIDTH

Way = Callable[[Array, Array, Array, ConvolutionGeometry], None]

FEW = 8  # channels up to which lines are folded
MANY = 192  # filters from which on channels rather than positions lie in vectors
# How much longer a vector's sums take than where two or three are made at once, and
# than where they are not added to others.
ALONE, ADDED = 1.25, 1.15


def backward_data(dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry) -> None:
    """dx = wᵀ * dy."""
    _way(geo)(dy, w, dx, geo)


@lru_cache(maxsize=1024)
def _way(geo: ConvolutionGeometry) -> Way:
    if frame(geo).pointwise:
        return gather_gradients if geo.filters // geo.group >= MANY else _convolve
    if met(geo):
        return _skip
    if geo.channels // geo.group <= FEW:
        return fold_back
    return gather_gradients if _gathers(geo) else scatter


def _gathers(geo: ConvolutionGeometry) -> bool:
    """Whether gathering sums fewer vectors for a line of the kernel."""
    f, channels = frame(geo), geo.channels // geo.group
    each = -(-channels // WIDTH)
    gathered = geo.input[-1] * f.kernel_w / f.stride_w * each
    scattered = f.out_w * vectors(f, channels)
    return gathered * (ALONE if each == 1 else 1) <= scattered * ADDED


def _convolve(dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry) -> None:
    """With one tap: convolve with w transposed."""
    reverse = replace(geo, channels=geo.filters, filters=geo.channels)
    arrays = image(dy, reverse), weights(w, geo), positions(dx, reverse)
    convolve(*arrays, finish(geo.channels, None), reverse, turned=True)


def _skip(dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry) -> None:
    """With one tap and a stride: the inputs that are met, and zeros between them."""
    inner = met(geo)
    assert inner
    some = room(geo)
    backward_data(dy, w, some, inner)
    place(some, dx, geo)
