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
from netspec.backends.cpu.direct.packing import turned
from netspec.backends.cpu.direct.products import convolve
from netspec.backends.cpu.direct.scattering import scatter
from netspec.backends.cpu.direct.weight_cut import vectors
from netspec.backends.cpu.epilogue import finish
from netspec.backends.cpu.frame import Array, frame, image, planes, positions
from netspec.backends.cpu.threads import buffer, claim, share
from netspec.backends.cpu.vectors import WIDTH
from netspec.compiled import njit
from netspec.shapes import count

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
    if count(geo.kernel) == 1 and not any(geo.pad):
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
    arrays = image(dy, reverse), turned(w, geo), positions(dx, reverse)
    convolve(*arrays, finish(geo.channels, None), reverse)


def _skip(dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry) -> None:
    """With one tap and a stride: the inputs that are met, and zeros between them."""
    size = geo.batch * geo.channels * count(geo.output)
    met = replace(geo, input=geo.output, stride=(1,) * len(geo.stride))
    some = buffer("inputs", size)
    backward_data(dy, w, some, met)
    source = planes(some, replace(geo, filters=geo.channels))
    share(_apart, geo.batch * geo.group, source, image(dx, geo), frame(geo))


@njit(nogil=True, cache=True)
def _apart(counter, tasks, workspace, source, dx, f):  # type: ignore[no-untyped-def]
    """Place values (N, G, C, D, H, W) a stride apart; one task is one group of
    one image."""
    task = claim(counter)
    while task < tasks:
        n, g = divmod(task, dx.shape[1])
        for c in range(dx.shape[2]):
            below, above = dx[n, g, c], source[n, g, c]
            for d in range(below.shape[0]):
                for h in range(below.shape[1]):
                    for w in range(below.shape[2]):
                        below[d, h, w] = 0
                    if d % f.stride_d == 0 and h % f.stride_h == 0:
                        line = above[d // f.stride_d, h // f.stride_h]
                        for w in range(line.size):
                            below[d, h, w * f.stride_w] = line[w]
        task = claim(counter)
