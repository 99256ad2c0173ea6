"""3×3 convolution of stride 1 by Winograd's F(4×4, 3×3): a quarter of the products.

``formulas`` has the mathematics, ``transforms`` its instructions, ``products`` the
convolution (which also makes the data gradient), ``gradient`` the weights' gradient.
"""

from __future__ import annotations

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.epilogue import Finish, finish
from netspec.backends.cpu.frame import Array
from netspec.backends.cpu.winograd.gradient import weight_gradient
from netspec.backends.cpu.winograd.grid import backward_grid, forward_grid
from netspec.backends.cpu.winograd.products import convolve

LEAST_CHANNELS = 8  # of a group, and filters: fewer are left to direct sums
LEAST_TILES = 16  # of all images


def suits(geo: ConvolutionGeometry) -> bool:
    """Whether a convolution is one that this algorithm does, and does well."""
    if (geo.kernel, geo.stride, geo.dilation) != ((3, 3), (1, 1), (1, 1)):
        return False
    least = min(geo.channels, geo.filters) // geo.group
    return least >= LEAST_CHANNELS and forward_grid(geo, 0).tiles >= LEAST_TILES


def forward(
    x: Array, w: Array, y: Array, geo: ConvolutionGeometry, last: Finish
) -> None:
    """y = w * x, finished."""
    for group in range(geo.group):
        convolve(x, w, y, forward_grid(geo, group), last, backward=False)


def backward_data(dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry) -> None:
    """dx = wᵀ * dy: the convolution with every kernel turned and w transposed."""
    nothing = finish(geo.channels, None)
    for group in range(geo.group):
        convolve(dy, w, dx, backward_grid(geo, group), nothing, backward=True)


def backward_weights(x: Array, dy: Array, dw: Array, geo: ConvolutionGeometry) -> None:
    """dw += dy xᵀ."""
    for group in range(geo.group):
        weight_gradient(x, dy, dw, forward_grid(geo, group))
