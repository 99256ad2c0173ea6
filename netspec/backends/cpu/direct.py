"""Convolution as matrix products over unfolded stretches of each image.

Nothing larger than a stretch is ever unfolded, and a 1×1 convolution of stride 1 is
not unfolded at all: its image is the matrix.  Arrays: x (N, G, C / G, D, H, W),
w (G, K / G, taps), y (N, G, K / G, positions); the gradients likewise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.blas import product
from netspec.backends.cpu.frame import Array, frame, image, macs, positions, weights
from netspec.backends.cpu.threads import claim, share
from netspec.backends.cpu.unfold import fill, fold, unfold
from netspec.shapes import count

COLUMN_VALUES = 1 << 17  # float32 values of an unfolded stretch: half a 1 MB cache
LEAST_POSITIONS = 192  # of a stretch: below this BLAS repacks the weights too often
LEAST_TASKS = 8  # of a whole operation, where its shape allows
FEW_POSITIONS = 32  # a stretch is not cut below this for the sake of tasks
CHANNELS = 32  # of one task of a gradient


@dataclass(frozen=True)
class Cut:
    """How the operations on one geometry are cut into tasks; from the geometry alone.

    Attributes:
        stretch: output positions unfolded at once by the forward pass.
        channels: input channels of one task of a gradient.
        gradient_stretch: output positions unfolded at once by such a task.
        parts: runs of images whose weight gradients are summed apart.
    """

    stretch: int
    channels: int
    gradient_stretch: int
    parts: int


@lru_cache(maxsize=1024)
def cut(geo: ConvolutionGeometry) -> Cut:
    """The cut of one geometry."""
    positions, each = count(geo.output), geo.channels // geo.group
    stretch = _stretch(geo.taps, positions)
    tasks = geo.batch * geo.group * -(-positions // stretch)
    if tasks < LEAST_TASKS:
        pieces = -(-LEAST_TASKS // (geo.batch * geo.group))
        stretch = min(stretch, max(FEW_POSITIONS, -(-positions // pieces)))
    channels = min(each, CHANNELS)
    blocks = geo.group * -(-each // channels)
    return Cut(
        stretch=stretch,
        channels=channels,
        gradient_stretch=_stretch(channels * count(geo.kernel), positions),
        parts=1 if blocks >= LEAST_TASKS else min(geo.batch, LEAST_TASKS),
    )


def _stretch(taps: int, positions: int) -> int:
    """Positions per stretch, all about equal, that fit the cache."""
    most = max(LEAST_POSITIONS, COLUMN_VALUES // max(taps, 1))
    pieces = -(-positions // most)
    return -(-positions // pieces)


def forward(
    x: Array, w: Array, b: Array, y: Array, geo: ConvolutionGeometry, relu: bool
) -> None:
    """y = w * x + b."""
    stretch = cut(geo).stretch
    share(
        _forward,
        geo.batch * geo.group * -(-count(geo.output) // stretch),
        image(x, geo),
        weights(w, geo),
        b,
        positions(y, geo),
        relu,
        stretch,
        pointwise(geo),
        frame(geo),
        workspace=0 if pointwise(geo) else geo.taps * stretch,
        work=macs(geo),
    )


def backward_data(dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry) -> None:
    """dx = wᵀ * dy."""
    plan = cut(geo)
    share(
        _backward_data,
        geo.batch * _blocks(geo, plan),
        positions(dy, geo),
        weights(w, geo),
        image(dx, geo),
        plan.channels,
        plan.gradient_stretch,
        pointwise(geo),
        frame(geo),
        workspace=_gradient_workspace(geo, plan),
        work=macs(geo),
    )


def backward_weights(x: Array, dy: Array, dw: Array, geo: ConvolutionGeometry) -> None:
    """dw += dy xᵀ."""
    plan = cut(geo)
    sums = weights(dw, geo)[None]
    if plan.parts > 1:
        sums = np.zeros((plan.parts, *sums.shape[1:]), np.float32)
    share(
        _backward_weights,
        plan.parts * _blocks(geo, plan),
        image(x, geo),
        positions(dy, geo),
        sums,
        plan.channels,
        plan.gradient_stretch,
        pointwise(geo),
        frame(geo),
        workspace=_gradient_workspace(geo, plan),
        work=macs(geo),
    )
    if plan.parts > 1:
        for part in sums:
            dw += part.reshape(dw.shape)


def pointwise(geo: ConvolutionGeometry) -> bool:
    """Whether the image itself is the matrix that unfolding would make."""
    return geo.output == geo.input and count(geo.kernel) == 1 and not any(geo.pad)


def _blocks(geo: ConvolutionGeometry, plan: Cut) -> int:
    return geo.group * -(-(geo.channels // geo.group) // plan.channels)


def _gradient_workspace(geo: ConvolutionGeometry, plan: Cut) -> int:
    if pointwise(geo):
        return 0
    return plan.channels * count(geo.kernel) * plan.gradient_stretch


@njit(nogil=True, cache=True)
def _forward(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, x, w, b, y, relu, stretch, pointwise, f
):
    """y = w * x + b; one task is one stretch of one group of one image."""
    positions, taps = y.shape[3], w.shape[2]
    pieces = -(-positions // stretch)
    columns = workspace.reshape(-1, stretch)
    task = claim(counter)
    while task < tasks:
        rest, piece = divmod(task, pieces)
        n, g = divmod(rest, y.shape[1])
        first = piece * stretch
        last = min(positions, first + stretch)
        out = y[n, g, :, first:last]
        for k in range(out.shape[0]):
            fill(out[k], b[g * out.shape[0] + k])
        if pointwise:
            product(w[g], x[n, g].reshape(taps, positions)[:, first:last], out, 1.0)
        else:
            unfolded = columns[:taps, : last - first]
            unfold(x[n, g], unfolded, first, last, f)
            product(w[g], unfolded, out, 1.0)
        if relu:
            for k in range(out.shape[0]):
                clip(out[k])
        task = claim(counter)


@njit(nogil=True, cache=True)
def clip(values):  # type: ignore[no-untyped-def]
    """Negative values to 0; NaN stays, so that a diverging net shows."""
    zero = np.float32(0)
    for i in range(values.size):
        value = values[i]
        values[i] = zero if value < zero else value


@njit(nogil=True, cache=True)
def _backward_data(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, dy, w, dx, channels, stretch, pointwise, f
):
    """dx = wᵀ * dy; one task is some channels of one group of one image."""
    groups, each, positions = dx.shape[1], dx.shape[2], dy.shape[3]
    window = w.shape[2] // each
    blocks = -(-each // channels)
    columns = workspace.reshape(-1, stretch)
    task = claim(counter)
    while task < tasks:
        rest, block = divmod(task, blocks)
        n, g = divmod(rest, groups)
        c0 = block * channels
        c1 = min(each, c0 + channels)
        weights = w[g, :, c0 * window : c1 * window].T
        target = dx[n, g, c0:c1]
        if pointwise:
            product(weights, dy[n, g], target.reshape(c1 - c0, positions), 0.0)
        else:
            fill(target.reshape(-1), 0)
            for first in range(0, positions, stretch):
                last = min(positions, first + stretch)
                part = columns[: weights.shape[0], : last - first]
                product(weights, dy[n, g, :, first:last], part, 0.0)
                fold(target, part, first, last, f)
        task = claim(counter)


@njit(nogil=True, cache=True)
def _backward_weights(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, x, dy, sums, channels, stretch, pointwise, f
):
    """sums[part] += dy xᵀ over the part's images; one task is some channels of one
    group, for one part.  sums: (parts, G, K / G, taps)."""
    groups, each, positions = x.shape[1], x.shape[2], dy.shape[3]
    window = sums.shape[3] // each
    blocks = -(-each // channels)
    columns = workspace.reshape(-1, stretch)
    task = claim(counter)
    while task < tasks:
        rest, block = divmod(task, blocks)
        part, g = divmod(rest, groups)
        c0 = block * channels
        c1 = min(each, c0 + channels)
        target = sums[part, g, :, c0 * window : c1 * window]
        for n in range(
            part * x.shape[0] // sums.shape[0],
            (part + 1) * x.shape[0] // sums.shape[0],
        ):
            if pointwise:
                matrix = x[n, g, c0:c1].reshape(c1 - c0, positions)
                product(dy[n, g], matrix.T, target, 1.0)
            else:
                for first in range(0, positions, stretch):
                    last = min(positions, first + stretch)
                    unfolded = columns[: target.shape[1], : last - first]
                    unfold(x[n, g, c0:c1], unfolded, first, last, f)
                    product(dy[n, g, :, first:last], unfolded.T, target, 1.0)
        task = claim(counter)
