"""Convolution over unfolded stretches of positions: forward, and backward to the data
where the stride is 1, which is a convolution again.

Weights are taken as they lie, (G, K, taps): a row a filter.  Where those of a group fit
the cache, each worker unfolds a stretch of positions and multiplies it with all of
them.  Where they are larger, all workers unfold a chunk of positions, and then share
out the filters, so that weights are read from memory only once a chunk.
"""

from __future__ import annotations

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.direct.cut import cut
from netspec.backends.cpu.direct.packing import load_columns, store_rows
from netspec.backends.cpu.epilogue import TERMS, Finish
from netspec.backends.cpu.frame import Array, frame, macs
from netspec.backends.cpu.lines import address
from netspec.backends.cpu.panels import (
    fetch,
    fetch_panel,
    multiply,
    multiply_finished,
    multiply_half,
    multiply_half_finished,
)
from netspec.backends.cpu.threads import buffer, claim, share
from netspec.backends.cpu.unfold import stage_size
from netspec.backends.cpu.vectors import FLOAT_BYTES, LANES, ROWS, WIDTH
from netspec.compiled import njit
from netspec.shapes import count

DEPTH = 128  # rows of columns multiplied at once: a panel of them fits the first cache
BLOCK = 64  # filters whose outputs a worker holds at once, at most
LARGE_WEIGHTS = 1 << 17  # values of a group's weights from which on filters are shared
CHUNK_VALUES = 1 << 21  # of a chunk's columns: the cache that cores share
CHUNK = 16 * LANES  # positions of a chunk, at most
CROWDED = 128  # rows a multiple of this apart fall into few sets of the first cache
CHUNK_TAPS = 128  # taps that one task unfolds, about


def convolve(
    x: Array, w: Array, y: Array, finish: Finish, geo: ConvolutionGeometry
) -> None:
    """y = w * x, finished.

    x (N, G, C, D, H, W), w (G, K, taps), y (N, G, K, positions).  There are ROWS rows
    of w in a group at least, even if y has fewer.
    """
    large = w.shape[1] * w.shape[2] >= LARGE_WEIGHTS
    run = _by_chunk if large else _by_piece
    run(x, w, y, finish, geo)


def _by_piece(
    x: Array, w: Array, y: Array, finish: Finish, geo: ConvolutionGeometry
) -> None:
    stretch = cut(geo).stretch
    pieces = -(-geo.batch * count(geo.output) // stretch)
    pitch, block = stretch + WIDTH, block_size(w.shape[1])
    room = geo.taps * pitch + block * LANES
    room += stage_size(geo, geo.channels // geo.group, stretch)
    share(
        _pieces, geo.group * pieces, x, w, y, finish, stretch, block, frame(geo),
        workspace=room, work=macs(geo),
    )  # fmt: skip


def block_size(filters: int) -> int:
    """Filters of one block: all blocks have about as many, and ROWS at least."""
    size = -(-filters // -(-filters // BLOCK))
    while 0 < filters % size < ROWS:
        size -= 1
    return size


def _by_chunk(
    x: Array, w: Array, y: Array, finish: Finish, geo: ConvolutionGeometry
) -> None:
    positions = geo.batch * count(geo.output)
    most = min(CHUNK, max(LANES, CHUNK_VALUES // geo.taps // LANES * LANES))
    most = min(most, -(-positions // LANES) * LANES)
    pitch, block = most + WIDTH, block_size(w.shape[1])
    columns = buffer("columns", geo.taps * pitch)
    f, channels = frame(geo), x.shape[2]
    some = min(channels, -(-CHUNK_TAPS // count(geo.kernel)))
    stage = stage_size(geo, some, most)
    for g in range(geo.group):
        for first in range(0, positions, most):
            last = min(positions, first + most)
            share(
                _unfold, -(-channels // some), x, g, columns, pitch, first, last,
                y.shape[3], some, f, workspace=stage,
            )  # fmt: skip
            share(
                _filters, -(-w.shape[1] // block), w, g, columns, pitch, y, finish,
                first, last, block, workspace=block * LANES,
            )  # fmt: skip


@njit(nogil=True, cache=True)
def _pieces(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, x, w, y, finish, stretch, block, f
):
    """One task is one stretch of one group."""
    taps, positions = w.shape[2], y.shape[3]
    # A spare vector, lest the rows fall into the same set of the cache.
    pitch = stretch + WIDTH
    columns = workspace.ctypes.data
    rows = address(workspace, taps * pitch)
    stage = address(workspace, taps * pitch + block * LANES)
    total = y.shape[0] * positions
    pieces = (total + stretch - 1) // stretch
    channels = x.shape[2]
    task = claim(counter)
    while task < tasks:
        g, piece = divmod(task, pieces)
        first = piece * stretch
        last = min(total, first + stretch)
        if not f.pointwise:
            load_columns(
                x, g, 0, channels, columns, pitch, first, last, positions, f, stage
            )
        for j in range(first, last, LANES):
            right, step = columns + (j - first) * FLOAT_BYTES, pitch
            end = min(last, j + LANES)
            if f.pointwise:
                n, at = divmod(j, positions)
                if at + LANES <= positions and positions % CROWDED:
                    right, step = address(x[n, g, 0, 0, 0], at), positions
                    fetch_panel((right + LANES * FLOAT_BYTES, step, channels))
                else:
                    right, step = columns, LANES
                    load_columns(
                        x, g, 0, channels, columns, LANES, j, end, positions, f, stage
                    )
            for low in range(0, w.shape[1], block):
                some = min(block, w.shape[1] - low)
                _outputs(w, g, low, some, right, step, rows, y, finish, j, end, False)
        task = claim(counter)


@njit(nogil=True, cache=True)
def _unfold(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, x, g, columns, pitch, first, last, positions, some, f
):
    """One task is some channels of a chunk."""
    window = f.kernel_d * f.kernel_h * f.kernel_w
    task = claim(counter)
    while task < tasks:
        low = task * some
        high = min(x.shape[2], low + some)
        target, stage = address(columns, low * window * pitch), workspace.ctypes.data
        load_columns(x, g, low, high, target, pitch, first, last, positions, f, stage)
        task = claim(counter)


@njit(nogil=True, cache=True)
def _filters(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, w, g, columns, pitch, y, finish, first, last, block
):
    """One task is some filters of a chunk."""
    rows = workspace.ctypes.data
    task = claim(counter)
    while task < tasks:
        low = task * block
        some = min(block, w.shape[1] - low)
        for j in range(first, last, LANES):
            right, is_new = address(columns, j - first), j == first
            end = min(last, j + LANES)
            _outputs(w, g, low, some, right, pitch, rows, y, finish, j, end, is_new)
        task = claim(counter)


@njit(inline="always")
def _outputs(w, g, low, filters, right, step, rows, y, finish, first, last, is_new):  # type: ignore[no-untyped-def]
    """Outputs of *filters* from *low* on, ROWS or more, at LANES positions or fewer.

    *right* has their columns, *step* apart.  *is_new*: weights come from memory now.
    """
    taps, at = w.shape[2], first % y.shape[3]
    inside = at + last - first <= y.shape[3]  # one image
    whole = filters // ROWS * ROWS
    for tap in range(0, taps, DEPTH):
        for k in range(0, whole, ROWS):
            if is_new and tap + DEPTH < taps:
                ahead = min(DEPTH, taps - tap - DEPTH)
                fetch((address(w[g, low + k], tap + DEPTH), taps, ahead))
            place = k, k, tap
            _tile(w, g, low, place, right, step, rows, y, finish, first, last, inside)
    if whole < filters:  # with some that are there already
        for tap in range(0, taps, DEPTH):
            place = filters - ROWS, whole, tap
            _tile(w, g, low, place, right, step, rows, y, finish, first, last, inside)
    if not inside:
        store_rows(rows, LANES, y, g, low, filters, first, last, finish)


@njit(inline="always")
def _tile(w, g, low, place, right, step, rows, y, finish, first, last, inside):  # type: ignore[no-untyped-def]
    """Add taps to ROWS filters, in *rows*; with the last taps they go to the outputs,
    if these are of one image.

    *place* is the first filter less *low*, the first that is not there already, and
    the first tap.
    """
    k, new, tap = place
    taps, lanes = w.shape[2], last - first
    left = address(w[g, low + k], tap)
    columns = right + tap * step * FLOAT_BYTES
    out = rows + k * LANES * FLOAT_BYTES
    depth = min(DEPTH, taps - tap)
    args = left, taps, 1, columns, step, out, LANES, depth, tap > 0
    if inside and tap + depth == taps:
        n, at = divmod(first, y.shape[3])
        terms = address(finish.terms, (g * y.shape[2] + low + k) * TERMS)
        target = address(y[n, g, low + k], at), y.shape[3]
        sizes = new - k, y.shape[2] - low - k, lanes
        ending = finish.scaled, finish.adds, finish.other, finish.floor
        last_args = (*args, *target, *sizes, terms, *ending)
        if lanes > WIDTH:
            multiply_finished(last_args)
        else:
            multiply_half_finished(last_args)
    elif lanes > WIDTH:
        multiply(args)
    else:
        multiply_half(args)
