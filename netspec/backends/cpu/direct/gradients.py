"""Gradients over unfolded stretches of positions."""

from __future__ import annotations

from netspec.backends.cpu.direct.packing import load_columns, load_rows
from netspec.backends.cpu.lines import address, clear
from netspec.backends.cpu.panels import multiply
from netspec.backends.cpu.threads import claim
from netspec.backends.cpu.unfold import fold
from netspec.backends.cpu.vectors import FLOAT_BYTES, LANES, ROWS, WIDTH, transpose
from netspec.compiled import njit

DEPTH = 256  # rows of dy multiplied at once: a panel of them fits the first cache


def data_workspace(filters: int, taps: int, stretch: int) -> int:
    """Values that :func:`spread` needs, for the *taps* of one task."""
    return (filters + -(-taps // ROWS) * ROWS) * (stretch + WIDTH)


def weights_workspace(filters: int, taps: int, stretch: int) -> int:
    """Values that :func:`gather` needs, for the *taps* of one task."""
    padded = -(-filters // LANES) * LANES + -(-taps // LANES) * LANES
    return padded * (stretch + WIDTH + stretch)


@njit(nogil=True, cache=True)
def spread(  # type: ignore[no-untyped-def]
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


@njit(nogil=True, cache=True)
def gather(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, x, dy, sums, channels, stretch, f
):
    """sums = dy xᵀ; one task is some channels of one group, for one part of the images.

    x (N, G, C, D, H, W), dy (N, G, K, positions), sums (parts, G, channel block,
    filters, taps), the last two in whole LANES.
    """
    groups, each, positions = x.shape[1], x.shape[2], dy.shape[3]
    parts, blocks, filters, taps = (
        sums.shape[0],
        sums.shape[2],
        sums.shape[3],
        sums.shape[4],
    )
    pitch = stretch + WIDTH
    columns = workspace.ctypes.data
    above = address(workspace, taps * pitch)
    right = address(workspace, (taps + filters) * pitch)
    left = right + taps * stretch * FLOAT_BYTES
    stage = left + filters * stretch * FLOAT_BYTES
    task = claim(counter)
    while task < tasks:
        run, block = divmod(task, blocks)
        part, g = divmod(run, groups)
        low = block * channels
        high = min(each, low + channels)
        start = part * x.shape[0] // parts * positions
        stop = (part + 1) * x.shape[0] // parts * positions
        for first in range(start, stop, stretch):
            last = min(stop, first + stretch)
            load_columns(
                x, g, low, high, columns, pitch, first, last, positions, f, stage
            )
            load_rows(dy, g, above, pitch, first, last)
            width = last - first
            _turn(columns, pitch, taps, right, stretch, width)
            _turn(above, pitch, filters, left, stretch, width)
            target = sums[part, g, block]
            for t in range(0, taps, LANES):
                b = right + t * stretch * FLOAT_BYTES
                for k in range(0, filters, ROWS):
                    at = k // LANES * LANES * stretch + k % LANES
                    a = left + at * FLOAT_BYTES
                    out = address(target[k], t)
                    multiply((a, 1, LANES, b, LANES, out, taps, width, first > start))
        task = claim(counter)


@njit(inline="always")
def _turn(rows, pitch, count, panels, stretch, width):  # type: ignore[no-untyped-def]
    """Rows of positions to panels with LANES rows side by side."""
    blocks = (width + WIDTH - 1) // WIDTH
    for r in range(0, count, WIDTH):
        at = r // LANES * LANES * stretch + r % LANES
        source = rows + r * pitch * FLOAT_BYTES
        transpose((source, pitch, panels + at * FLOAT_BYTES, LANES, blocks))
