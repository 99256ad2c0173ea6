"""Convolution of stride 1 by Winograd's algorithm: 3×3 by F(4×4, 3×3), a quarter of the
products, and 5×5 by F(2×2, 5×5), little more than a third of them.

``formulas`` has the mathematics, ``transforms`` its instructions, ``products`` the
convolution (which also makes the data gradient), ``halves`` its products where tiles
are few, ``beside`` that of wide kernels, ``gradient`` the weights' gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.epilogue import Finish, finish
from netspec.backends.cpu.frame import Array, macs
from netspec.backends.cpu.winograd.beside import convolve_beside
from netspec.backends.cpu.winograd.formulas import SPAN, TAPS, WIDE_TAPS
from netspec.backends.cpu.winograd.gradient import padded, weight_gradient
from netspec.backends.cpu.winograd.grid import Grid, backward_grid, forward_grid
from netspec.backends.cpu.winograd.products import convolve

LEAST_CHANNELS = 8  # of a group, and filters: fewer are left to direct sums
LEAST_TILES = 16  # of all images
# Products that take as long as to transform one channel of a tile of a wide kernel, or
# one kernel, or the gradient of one.
TILE_COST, KERNEL_COST, GRADIENT_COST = 170, 2200, 11000
PAYS = 0.8  # of the products of a direct sum, at most


@lru_cache(maxsize=1024)
def suits(geo: ConvolutionGeometry) -> bool:
    """Whether a 3×3 convolution is one that this algorithm does, and does well."""
    return _is_plain(geo, TAPS)


@lru_cache(maxsize=1024)
def suits_forward(geo: ConvolutionGeometry) -> bool:
    """The same of a forward pass, 5×5 as well."""
    return suits(geo) or (_is_plain(geo, WIDE_TAPS) and _pays(geo, forward_grid))


@lru_cache(maxsize=1024)
def suits_data(geo: ConvolutionGeometry) -> bool:
    """The same of the data's gradient."""
    return suits(geo) or (_is_plain(geo, WIDE_TAPS) and _pays(geo, backward_grid))


@lru_cache(maxsize=1024)
def suits_weights(geo: ConvolutionGeometry) -> bool:
    """The same of the weights' gradient."""
    if suits(geo):
        return True
    return _is_plain(geo, WIDE_TAPS) and _pays(geo, forward_grid, of_weights=True)


def _is_plain(geo: ConvolutionGeometry, taps: int) -> bool:
    """Whether it is of that kernel and of stride 1, and not tiny."""
    kernel = (taps, taps), (1, 1), (1, 1)
    if (geo.kernel, geo.stride, geo.dilation) != kernel:
        return False
    least = min(geo.channels, geo.filters) // geo.group
    return least >= LEAST_CHANNELS and forward_grid(geo, 0).tiles >= LEAST_TILES


def _pays(
    geo: ConvolutionGeometry,
    grid: Callable[[ConvolutionGeometry, int], Grid],
    of_weights: bool = False,
) -> bool:
    """Whether products are saved that are worth the transforms."""
    g = grid(geo, 0)
    channels = padded(g.channels) if of_weights else g.channels
    each = SPAN * SPAN * channels * padded(g.filters)
    each += TILE_COST * (padded(g.channels) + padded(g.filters))
    cost = GRADIENT_COST if of_weights else KERNEL_COST
    total = g.tiles * each + cost * g.channels * g.filters
    return total < PAYS * macs(geo) / geo.group


def forward(
    x: Array, w: Array, y: Array, geo: ConvolutionGeometry, last: Finish
) -> None:
    """y = w * x, finished."""
    run = convolve if suits(geo) or last.pool else convolve_beside
    for group in range(geo.group):
        run(x, w, y, forward_grid(geo, group), last, backward=False)


def backward_data(dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry) -> None:
    """dx = wᵀ * dy: the convolution with every kernel turned and w transposed."""
    nothing = finish(geo.channels, None)
    run = convolve if suits(geo) else convolve_beside
    for group in range(geo.group):
        run(dy, w, dx, backward_grid(geo, group), nothing, backward=True)


def backward_weights(x: Array, dy: Array, dw: Array, geo: ConvolutionGeometry) -> None:
    """dw += dy xᵀ."""
    for group in range(geo.group):
        weight_gradient(x, dy, dw, forward_grid(geo, group))
