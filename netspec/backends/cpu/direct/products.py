"""Convolution over unfolded stretches of positions: forward, and backward to the data
where the stride is 1, which is a convolution again."""

from __future__ import annotations

from netspec.backends.cpu.direct.packing import load_columns, store_rows
from netspec.backends.cpu.lines import address
from netspec.backends.cpu.panels import multiply
from netspec.backends.cpu.threads import claim
from netspec.backends.cpu.vectors import FLOAT_BYTES, LANES, ROWS, WIDTH
from netspec.compiled import njit

DEPTH = 256  # rows of columns multiplied at once: a panel of them fits the first cache


def workspace(taps: int, filters: int, stretch: int) -> int:
    """Values that :func:`convolve` needs."""
    rows = -(-filters // ROWS) * ROWS
    return (taps + rows) * (stretch + WIDTH)


@njit(nogil=True, cache=True)
def convolve(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, x, u, y, finish, stretch, f
):
    """One task is one stretch of one group.

    x (N, G, C, D, H, W), u packed, y (N, G, K, positions).
    """
    taps, filters, positions = u.shape[2], y.shape[2], y.shape[3]
    # A spare vector, lest the rows fall into the same set of the cache.
    pitch = stretch + WIDTH
    columns = workspace.ctypes.data
    rows = address(workspace, taps * pitch)
    padded = (filters + ROWS - 1) // ROWS * ROWS
    stage = address(workspace, (taps + padded) * pitch)
    total = y.shape[0] * positions
    pieces = (total + stretch - 1) // stretch
    task = claim(counter)
    while task < tasks:
        g, piece = divmod(task, pieces)
        first = piece * stretch
        last = min(total, first + stretch)
        load_columns(
            x, g, 0, x.shape[2], columns, pitch, first, last, positions, f, stage
        )
        for low in range(0, taps, DEPTH):
            depth = min(DEPTH, taps - low)
            for j in range(0, last - first, LANES):
                right = columns + (low * pitch + j) * FLOAT_BYTES
                for k in range(0, filters, ROWS):
                    left = address(u[g, k // WIDTH, low], k % WIDTH)
                    out = rows + (k * pitch + j) * FLOAT_BYTES
                    multiply((left, WIDTH, right, pitch, out, pitch, depth, low > 0))
        store_rows(rows, pitch, y, g, first, last, finish)
        task = claim(counter)
