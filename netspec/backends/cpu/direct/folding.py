"""The gradient of data with few channels: stretches of columns, folded back.

The columns are what the image unfolds to; each value is added to where it came from.
"""

from __future__ import annotations

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.direct.cut import cut
from netspec.backends.cpu.direct.packing import load_rows
from netspec.backends.cpu.frame import (
    Array,
    frame,
    image,
    macs,
    positions,
    weights,
)
from netspec.backends.cpu.lines import address, clear
from netspec.backends.cpu.panels import multiply
from netspec.backends.cpu.threads import buffer, claim, share
from netspec.backends.cpu.unfold import fold, stage_size
from netspec.backends.cpu.vectors import FLOAT_BYTES, LANES, ROWS, WIDTH
from netspec.compiled import njit
from netspec.shapes import count

DEPTH = 256  # rows of dy multiplied at once: a panel of them fits the first cache


def fold_back(dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry) -> None:
    """dx = wᵀ * dy."""
    plan, filters = cut(geo), geo.filters // geo.group
    shape = geo.group, filters, geo.taps + ROWS
    spare = buffer("weights", count(shape)).reshape(shape)
    share(_spare, count(shape[:2]), weights(w, geo), spare, work=spare.size)
    taps = plan.channels * count(geo.kernel)
    room = _workspace(filters, taps, plan.gradient_stretch)
    room += stage_size(geo, plan.channels, plan.gradient_stretch)
    blocks = -(-(geo.channels // geo.group) // plan.channels)
    share(
        _spread, geo.batch * geo.group * blocks, positions(dy, geo), spare,
        image(dx, geo), plan.channels, plan.gradient_stretch, frame(geo),
        workspace=room, work=macs(geo),
    )  # fmt: skip


def _workspace(filters: int, taps: int, stretch: int) -> int:
    """Values that :func:`_spread` needs, for the *taps* of one task."""
    return (filters + -(-taps // ROWS) * ROWS) * (stretch + WIDTH)


@njit(nogil=True, cache=True)
def _spare(counter, tasks, workspace, w, spare):  # type: ignore[no-untyped-def]
    """Weights (G, K, taps), with zeros behind; one task is one filter."""
    task, taps = claim(counter), w.shape[2]
    while task < tasks:
        g, k = divmod(task, w.shape[1])
        for i in range(taps):
            spare[g, k, i] = w[g, k, i]
        for i in range(taps, spare.shape[2]):
            spare[g, k, i] = 0
        task = claim(counter)


@njit(nogil=True, cache=True)
def _spread(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, dy, w, dx, channels, stretch, f
):
    """dx = wᵀ * dy; one task is some channels of one group of one image.

    dy (N, G, K, positions), w (G, K, taps and ROWS spare), dx (N, G, C, D, H, W).
    """
    groups, each = dx.shape[1], dx.shape[2]
    filters, positions = dy.shape[2], dy.shape[3]
    window = (w.shape[2] - ROWS) // each
    blocks = (each + channels - 1) // channels
    pitch = stretch + WIDTH
    above = workspace.ctypes.data
    columns = address(workspace, filters * pitch)
    padded = (channels * window + ROWS - 1) // ROWS * ROWS
    stage = address(workspace, (filters + padded) * pitch)
    task = claim(counter)
    while task < tasks:
        image, block = divmod(task, blocks)
        n, g = divmod(image, groups)
        low = block * channels
        target = dx[n, g, low : low + channels]
        taps = target.shape[0] * window
        clear((target.ctypes.data, target.size))
        for first in range(0, positions, stretch):
            last = min(positions, first + stretch)
            load_rows(dy, g, above, pitch, n * positions + first, n * positions + last)
            for k in range(0, filters, DEPTH):
                depth = min(DEPTH, filters - k)
                for j in range(0, last - first, LANES):
                    right = above + (k * pitch + j) * FLOAT_BYTES
                    for t in range(0, taps, ROWS):
                        left = address(w[g, k], low * window + t)
                        out = columns + (t * pitch + j) * FLOAT_BYTES
                        multiply(
                            (
                                left,
                                1,
                                w.shape[2],
                                right,
                                pitch,
                                out,
                                pitch,
                                depth,
                                k > 0,
                            )
                        )
            fold(target, columns, pitch, first, last, f, stage)
        task = claim(counter)
