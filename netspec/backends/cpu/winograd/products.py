"""The convolution itself, which also makes the data gradient.

With V the transformed inputs, U the transformed weights, 36 products M = U V do the
work.  Where U fits the cache beside a block of tiles, each worker transforms a block,
multiplies it and transforms it back.  Where U is large, all workers transform the
tiles of a chunk, and then share out the filters.  Each transforms the weights of some,
multiplies and forgets them: U is four times as long as the weights, so to make it
again for every chunk is quicker than to fetch it from memory.
"""

from __future__ import annotations

import numpy as np

from netspec.backends.cpu.epilogue import TERMS, Finish
from netspec.backends.cpu.frame import Array
from netspec.backends.cpu.lines import address, clear
from netspec.backends.cpu.panels import (
    MATRICES,
    meanwhile,
    multiply_column,
    multiply_meanwhile,
)
from netspec.backends.cpu.threads import buffer, claim, share
from netspec.backends.cpu.vectors import FLOAT_BYTES, LANES, ROWS, WIDTH
from netspec.backends.cpu.winograd.formulas import SPAN, TILE
from netspec.backends.cpu.winograd.grid import (
    SPARE,
    Grid,
    complete_block,
    panels,
    place,
    store_block,
    store_places,
)
from netspec.backends.cpu.winograd.halves import multiply_half
from netspec.backends.cpu.winograd.transforms import (
    PLACES,
    PLANES,
    STRIP,
    inputs_by_tile,
    lines_by_tile,
    outputs_by_tile,
)
from netspec.backends.cpu.winograd.weights import (
    SCRATCH as WEIGHTS_SCRATCH,
)
from netspec.backends.cpu.winograd.weights import (
    Kernels,
    kernels_of,
    panel_size,
    plane_size,
    transform_panels,
)
from netspec.compiled import njit

LOWEST = np.float32(-np.inf)
BLOCK_VALUES = 1 << 18  # float32 values of a block's V and M: one core's cache
CHUNK_VALUES = 1 << 22  # of a chunk's V: the cache that cores share
LARGE_WEIGHTS = 1 << 20  # values of U from which on workers share tiles
BLOCK_FILTERS = 64  # whose products a worker holds at once, working on a block
CHUNK_CHANNELS = 16
# Filters of one task, where workers share tiles, and channels of which it has
# transformed weights at once. The more filters, the less often tiles are read; the more
# channels, the less often is added to sums, of which few panels have few.
CHUNK_FILTERS, LARGE_CHUNK_FILTERS, MANY_FILTERS = 32, 64, 256
DEPTH, LARGE_DEPTH, MANY_PANELS = 64, 128, 3
SINGLE = 2  # tiles that, beyond half a panel, are better multiplied one by one
# Lines of tiles, twice, and zeros; the block of outputs uses them later.
SCRATCH = 2 * SPAN * STRIP + WIDTH


def convolve(
    x: Array, w: Array, y: Array, g: Grid, finish: Finish, backward: bool
) -> None:
    """y = w * x of one group, finished; for *backward* see
    :func:`netspec.backends.cpu.winograd.weights.kernels_of`."""
    size = panel_size(g.channels)
    large = PLANES * plane_size(g.filters, size) >= LARGE_WEIGHTS
    # What is more, transformed weights or tiles, is better not passed between workers.
    run = _by_chunk if large or g.filters > panels(g) * LANES else _by_block
    run(x, kernels_of(w, g, backward), y, g, finish)


def _by_block(x: Array, w: Kernels, y: Array, g: Grid, finish: Finish) -> None:
    filters = min(BLOCK_FILTERS, -(-g.filters // WIDTH) * WIDTH)
    each = PLANES * LANES * (g.channels + filters)
    some = max(1, BLOCK_VALUES // each)
    size = panel_size(g.channels)
    stride = plane_size(g.filters, size)
    room = PLANES * stride + each * some + 2 * PLANES * SPARE
    share(
        _blocks, -(-panels(g) // some), w, x, y, finish, some, filters, size, stride, g,
        workspace=room + max(SCRATCH, WEIGHTS_SCRATCH),
        work=PLANES * g.tiles * g.channels * g.filters,
    )  # fmt: skip


def _by_chunk(x: Array, w: Kernels, y: Array, g: Grid, finish: Finish) -> None:
    rounds = -(-panels(g) * PLANES * LANES * g.channels // CHUNK_VALUES)
    most = -(-panels(g) // rounds)
    stride = most * g.channels * LANES + SPARE
    v = buffer("tiles", PLANES * stride).reshape(PLANES, stride)
    few = g.filters < MANY_FILTERS or most < MANY_PANELS
    each = CHUNK_FILTERS if few else LARGE_CHUNK_FILTERS
    depth = min(g.channels, DEPTH if most < MANY_PANELS else LARGE_DEPTH)
    size = panel_size(depth)
    room = PLANES * (most * each * LANES + SPARE) + SCRATCH
    room += PLANES * plane_size(each, size) + WEIGHTS_SCRATCH
    for first in range(0, panels(g), most):
        some = min(most, panels(g) - first)
        share(
            _transform, -(-g.channels // CHUNK_CHANNELS), x, v, first, some, g,
            workspace=SCRATCH,
        )  # fmt: skip
        share(
            _filters, -(-g.filters // each), w, v, y, finish, first, some, each,
            depth, size, plane_size(each, size), g, workspace=room,
        )  # fmt: skip


@njit(nogil=True, cache=True)
def _blocks(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, w, x, y, finish, some, filters, size, stride, g
):
    """One task is one block of *some* panels.

    Every worker transforms the weights for itself: to have those that another has
    transformed takes longer.
    """
    u = workspace[: PLANES * stride].reshape(PLANES, stride)
    workspace = workspace[PLANES * stride :]
    stride = some * g.channels * LANES + SPARE
    v = workspace[: PLANES * stride].reshape(PLANES, stride)
    rest = workspace[PLANES * stride :]
    count = (g.tiles + LANES - 1) // LANES
    task = claim(counter)
    if task < tasks:
        lines, wide = rest.ctypes.data, (g.filters + WIDTH - 1) // WIDTH
        every = 0, g.channels
        transform_panels(w, 0, wide, u, 0, lines, size, WIDTH, every, g)
    while task < tasks:
        first = task * some
        block = min(some, count - first)
        _fill(x, v, 0, g.channels, first, block, rest, g)
        for k in range(0, g.filters, filters):
            now = min(filters, g.filters - k)
            m = rest.ctypes.data
            _multiply(u, k // WIDTH, v, m, first, block, 0, g.channels, now, size, g)
            _finish(m, y, finish, first, block, k, now, g)
        task = claim(counter)


@njit(nogil=True, cache=True)
def _transform(counter, tasks, workspace, x, v, first, some, g):  # type: ignore[no-untyped-def]
    """One task is some channels of a chunk."""
    task = claim(counter)
    while task < tasks:
        low = task * CHUNK_CHANNELS
        high = min(g.channels, low + CHUNK_CHANNELS)
        _fill(x, v, low, high, first, some, workspace, g)
        task = claim(counter)


@njit(nogil=True, cache=True)
def _filters(  # type: ignore[no-untyped-def]
    counter,
    tasks,
    workspace,
    w,
    v,
    y,
    finish,
    first,
    some,
    each,
    depth,
    size,
    stride,
    g,
):
    """One task is some filters of a chunk."""
    u = workspace[: PLANES * stride].reshape(PLANES, stride)
    lines = address(workspace, PLANES * stride)
    m = lines + WEIGHTS_SCRATCH * FLOAT_BYTES
    task = claim(counter)
    while task < tasks:
        k = task * each
        now = min(each, g.filters - k)
        wide = (now + WIDTH - 1) // WIDTH
        for low in range(0, g.channels, depth):
            high = min(g.channels, low + depth)
            part, first_panel = (low, high), k // WIDTH
            transform_panels(w, first_panel, wide, u, 0, lines, size, WIDTH, part, g)
            _multiply(u, 0, v, m, first, some, low, high, now, size, g)
        _finish(m, y, finish, first, some, k, now, g)
        task = claim(counter)


@njit(inline="always")
def _fill(x, v, low, high, first, some, scratch, g):  # type: ignore[no-untyped-def]
    """V, (PLANES, panel, channel, LANES), for channels *low* to *high*.

    Lanes beyond the last tile hold anything.
    """
    lines = scratch.ctypes.data
    after = lines + SPAN * STRIP * FLOAT_BYTES
    nowhere = after + SPAN * STRIP * FLOAT_BYTES
    clear((nowhere, WIDTH))
    height, width = x.shape[2], x.shape[3]
    for p in range(some):
        start = (first + p) * LANES
        stop = min(g.tiles, start + LANES)
        begin = place(start, g)
        for c in range(low, high):
            tile, (n, row, column) = start, begin
            while tile < stop:
                side = min(g.wide - column, stop - tile)
                plane = address(x[n, g.first_channel + c], 0)
                window = TILE * row - g.pad_h, TILE * column - g.pad_w
                seen = TILE * side + SPAN - TILE
                # Columns beyond these tiles are rewritten by the next ones, or unused.
                skipped = TILE * (tile - start) * FLOAT_BYTES
                out = nowhere, lines + skipped, after + skipped
                lines_by_tile((plane, height, width, *window, seen, *out))
                tile, column, row = tile + side, 0, row + 1
                if row == g.high:
                    n, row = n + 1, 0
            target = address(v[0], (p * g.channels + c) * LANES)
            vectors = (stop - start + WIDTH - 1) // WIDTH
            inputs_by_tile((lines, after, target, v.shape[1], vectors))


@njit(inline="always")
def _multiply(u, panel, v, m, first, some, low, high, filters, size, g):  # type: ignore[no-untyped-def]
    """Products of *filters*, whose weights of channels *low* to *high* are in u from
    *panel* on, with the panels in v: added to those of channels before."""
    (room, stride), depth = _rooms(filters, some), high - low
    for i in range(PLANES):
        for p in range(some):
            right = address(v[i], (p * g.channels + low) * LANES)
            after = right + g.channels * LANES * FLOAT_BYTES
            if p + 1 == some:
                after = address(v[(i + 1) % PLANES], low * LANES)
            is_half = g.tiles - (first + p) * LANES <= WIDTH + SINGLE
            for k in range(0, filters, WIDTH if is_half else ROWS):
                left = address(u[i], (panel + k // WIDTH) * size + k % WIDTH)
                out = m + (i * stride + p * room + k * LANES) * FLOAT_BYTES
                if is_half:
                    half = k // WIDTH % 2 * (depth // 2) * LANES * FLOAT_BYTES
                    sides = left, right, LANES, out, LANES
                    multiply_half((*sides, depth, low > 0, after + half))
                else:
                    product = left, 1, WIDTH, right, LANES, out, LANES, depth, low > 0
                    ahead = meanwhile(k // ROWS, filters, 0, depth, LANES, after)
                    multiply_meanwhile((*product, *ahead))
    tiles = g.tiles - (first + some - 1) * LANES
    if WIDTH < tiles <= WIDTH + SINGLE:
        _add_tiles(
            u, panel, v, m, tiles, some - 1, low, high, filters, size, g, room, stride
        )


@njit(inline="always")
def _add_tiles(u, panel, v, m, tiles, p, low, high, filters, size, g, room, stride):  # type: ignore[no-untyped-def]
    """The products with *tiles* beyond WIDTH of a panel, each for itself."""
    for i in range(0, PLANES, MATRICES):
        for k in range(0, filters, WIDTH):
            left = address(u[i], (panel + k // WIDTH) * size)
            for tile in range(WIDTH, tiles):
                right = address(v[i], (p * g.channels + low) * LANES + tile)
                out = m + (i * stride + p * room + k * LANES + tile) * FLOAT_BYTES
                sides = left, WIDTH, u.shape[1], right, LANES, v.shape[1]
                multiply_column((*sides, out, LANES, stride, high - low, low > 0))


@njit(inline="always")
def _finish(m, y, finish, first, some, low, filters, g):  # type: ignore[no-untyped-def]
    """Outputs of *filters* from *low* on, of the panels whose products are in m."""
    room, stride = _rooms(filters, some)
    block = m + PLANES * stride * FLOAT_BYTES
    for p in range(some):
        tiles = min(LANES, g.tiles - (first + p) * LANES)
        vectors = (tiles + WIDTH - 1) // WIDTH
        for k in range(filters):
            products = m + (p * room + k * LANES) * FLOAT_BYTES
            number = g.first_filter + low + k
            terms = address(finish.terms, number * TERMS)
            # What something will be added to is not rectified yet.
            floor = LOWEST if finish.adds else finish.floor
            placed = finish.places.size > 0
            ending = finish.scaled, floor, finish.pool, placed
            outputs_by_tile((products, stride, vectors, terms, *ending, block))
            ending = finish.pool, finish.adds, finish.other, finish.floor
            _store(block, y, finish.places, (first + p) * LANES, number, ending, g)


@njit(inline="always")
def _rooms(filters, some):  # type: ignore[no-untyped-def]
    """Values of the products of one panel, and of one plane."""
    room = (filters + WIDTH - 1) // WIDTH * WIDTH * LANES
    return room, some * room + SPARE


@njit(inline="always")
def _store(block, y, places, start, k, ending, g):  # type: ignore[no-untyped-def]
    """The pixels of the panel from tile *start* on, to their images.

    *ending* is *pool*, *adds*, *other* and *floor* of what finishes them.
    """
    pool, adds, other, floor = ending
    size = TILE // 2 if pool else TILE
    stop = min(g.tiles, start + LANES)
    tile = start
    while tile < stop:
        n, row, column = place(tile, g)
        side = min(g.wide - column, stop - tile)
        pixels = block + size * (tile - start) * FLOAT_BYTES
        if adds:
            complete_block(pixels, STRIP, y[n, k], row, column, side, other, floor)
        else:
            store_block(pixels, STRIP, size, y[n, k], row, column, side)
        if places.size > 0:
            numbers = pixels + PLACES * FLOAT_BYTES
            store_places(numbers, STRIP, size, places[n, k], row, column, side)
        tile += side
