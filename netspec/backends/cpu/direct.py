"""Convolution as matrix products over unfolded stretches of each image.

Nothing larger than a stretch is ever unfolded, and a 1×1 convolution of stride 1 is
not unfolded at all: its image is the matrix.  Arrays: x (N, G, C / G, D, H, W),
w (G, K / G, taps), y (N, G, K / G, positions); the gradients likewise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from numba import njit

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.blas import product
from netspec.backends.cpu.threads import claim
from netspec.backends.cpu.unfold import fold, unfold
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


@njit(nogil=True, cache=True)
def forward(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, x, w, b, y, relu, stretch, pointwise, f
):
    """y = w * x + b; one task is one stretch of one group of one image."""
    positions, taps = y.shape[3], w.shape[2]
    pieces = -(-positions // stretch)
    columns = workspace[: taps * stretch].reshape(taps, stretch)
    task = claim(counter)
    while task < tasks:
        rest, piece = divmod(task, pieces)
        n, g = divmod(rest, y.shape[1])
        first = piece * stretch
        last = min(positions, first + stretch)
        out = y[n, g, :, first:last]
        for k in range(out.shape[0]):
            out[k] = b[g * out.shape[0] + k]
        if pointwise:
            product(w[g], x[n, g].reshape(taps, positions)[:, first:last], out, 1.0)
        else:
            unfold(x[n, g], columns, first, last, f)
            product(w[g], columns[:, : last - first], out, 1.0)
        if relu:
            _clip(out)
        task = claim(counter)


@njit(nogil=True, cache=True)
def _clip(out):  # type: ignore[no-untyped-def]
    for k in range(out.shape[0]):
        for i in range(out.shape[1]):
            out[k, i] = max(out[k, i], 0)


@njit(nogil=True, cache=True)
def backward_data(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, dy, w, dx, channels, stretch, pointwise, f
):
    """dx = wᵀ * dy; one task is some channels of one group of one image."""
    groups, each, positions = dx.shape[1], dx.shape[2], dy.shape[3]
    window = w.shape[2] // each
    blocks = -(-each // channels)
    columns = workspace[: channels * window * stretch].reshape(-1, stretch)
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
            target[:] = 0
            for first in range(0, positions, stretch):
                last = min(positions, first + stretch)
                part = columns[: weights.shape[0], : last - first]
                product(weights, dy[n, g, :, first:last], part, 0.0)
                fold(target, part, first, last, f)
        task = claim(counter)


@njit(nogil=True, cache=True)
def backward_weights(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, x, dy, sums, channels, stretch, pointwise, f
):
    """sums[part] += dy xᵀ over the part's images; one task is some channels of one
    group, for one part.  sums: (parts, G, K / G, taps)."""
    groups, each, positions = x.shape[1], x.shape[2], dy.shape[3]
    window = sums.shape[3] // each
    blocks = -(-each // channels)
    columns = workspace[: channels * window * stretch].reshape(-1, stretch)
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


@njit(nogil=True, cache=True)
def channel_sums(counter, tasks, workspace, dy, db):  # type: ignore[no-untyped-def]
    """db[k] += the sum of dy (N, K, positions) in channel k; one task a channel."""
    task = claim(counter)
    while task < tasks:
        total = 0.0
        for n in range(dy.shape[0]):
            total += _sum(dy[n, task])
        db[task] += total
        task = claim(counter)


@njit(nogil=True, cache=True, fastmath={"reassoc"})
def _sum(values):  # type: ignore[no-untyped-def]
    """In double precision; several partial sums at a time, as the vectors are wide."""
    total = 0.0
    for i in range(values.size):
        total += values[i]
    return total
