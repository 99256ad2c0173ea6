"""Convolution as products of weights and unfolded images.

Only a stretch of positions is ever unfolded.  ``cut`` says how the work is divided,
``packing`` brings arrays into the form that products take, ``products`` is the
convolution, ``gradients`` the rest.
"""

from __future__ import annotations

import numpy as np

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.direct import gradients
from netspec.backends.cpu.direct.cut import cut
from netspec.backends.cpu.direct.packing import natural, turned
from netspec.backends.cpu.direct.products import convolve
from netspec.backends.cpu.epilogue import Finish, finish
from netspec.backends.cpu.frame import (
    Array,
    frame,
    image,
    macs,
    positions,
    weights,
)
from netspec.backends.cpu.threads import share
from netspec.backends.cpu.unfold import stage_size
from netspec.backends.cpu.vectors import LANES, ROWS
from netspec.shapes import count


def forward(
    x: Array, w: Array, y: Array, geo: ConvolutionGeometry, last: Finish
) -> None:
    """y = w * x, finished."""
    convolve(image(x, geo), natural(w, geo), positions(y, geo), last, geo)


def backward_data(dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry) -> None:
    """dx = wᵀ * dy."""
    fewer = geo.filters <= geo.channels or frame(geo).pointwise
    if fewer and set(geo.stride) <= {1}:
        _backward_by_convolution(dy, w, dx, geo)
    else:
        _backward_by_folding(dy, w, dx, geo)


def _backward_by_convolution(
    dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry
) -> None:
    """With stride 1: convolve with every kernel turned and w transposed.

    It unfolds dy, so it pays where dy has not more channels than x.
    """
    reverse = ConvolutionGeometry(
        batch=geo.batch,
        channels=geo.filters,
        filters=geo.channels,
        input=geo.output,
        kernel=geo.kernel,
        stride=geo.stride,
        pad=tuple(
            d * (k - 1) - p for k, d, p in zip(geo.kernel, geo.dilation, geo.pad)
        ),
        dilation=geo.dilation,
        group=geo.group,
    )
    nothing = finish(geo.channels, None)
    arrays = image(dy, reverse), turned(w, geo), positions(dx, reverse)
    convolve(*arrays, nothing, reverse)


def _backward_by_folding(
    dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry
) -> None:
    plan, filters = cut(geo), geo.filters // geo.group
    spare = np.zeros((geo.group, filters, geo.taps + ROWS), np.float32)
    spare[:, :, : geo.taps] = weights(w, geo)
    taps = plan.channels * count(geo.kernel)
    room = gradients.data_workspace(filters, taps, plan.gradient_stretch)
    room += stage_size(geo, plan.channels, plan.gradient_stretch)
    share(
        gradients.spread, geo.batch * _blocks(geo), positions(dy, geo), spare,
        image(dx, geo), plan.channels, plan.gradient_stretch, frame(geo),
        workspace=room, work=macs(geo),
    )  # fmt: skip


def backward_weights(x: Array, dy: Array, dw: Array, geo: ConvolutionGeometry) -> None:
    """dw += dy xᵀ."""
    plan, blocks = cut(geo), _blocks(geo) // geo.group
    filters, taps = geo.filters // geo.group, plan.channels * count(geo.kernel)
    wide = [-(-n // LANES) * LANES for n in (filters, taps)]
    sums = np.empty((plan.parts, geo.group, blocks, *wide), np.float32)
    room = gradients.weights_workspace(filters, taps, plan.gradient_stretch)
    room += stage_size(geo, plan.channels, plan.gradient_stretch)
    share(
        gradients.gather, plan.parts * _blocks(geo), image(x, geo),
        positions(dy, geo), sums, plan.channels, plan.gradient_stretch, frame(geo),
        workspace=room, work=macs(geo),
    )  # fmt: skip
    total, target = sums[0], weights(dw, geo)
    for part in sums[1:]:
        total += part
    for block in range(blocks):
        some = target[:, :, block * taps : (block + 1) * taps]
        some += total[:, block, :filters, : some.shape[2]]


def _blocks(geo: ConvolutionGeometry) -> int:
    return geo.group * -(-(geo.channels // geo.group) // cut(geo).channels)
