"""The convolution with channels side by side, for images of few tiles a row.

Vectors that run along channels are full where those along tiles would not be: tiles are
the rows of the products then, and filters their columns.  Each worker transforms some
rows of tiles, multiplies them with all weights and transforms them back.
"""

from __future__ import annotations

from netspec.backends.cpu.direct.beside import apart_finished
from netspec.backends.cpu.epilogue import TERMS, Finish
from netspec.backends.cpu.frame import Array
from netspec.backends.cpu.lines import address
from netspec.backends.cpu.panels import multiply
from netspec.backends.cpu.threads import claim, share
from netspec.backends.cpu.vectors import FLOAT_BYTES, LANES, ROWS, WIDTH
from netspec.backends.cpu.winograd.gradient import (
    fill_channels,
    held_rows,
    padded,
    scratch_size,
)
from netspec.backends.cpu.winograd.grid import SPARE, Grid, tile_of
from netspec.backends.cpu.winograd.transforms import PLANES, outputs_by_channel
from netspec.backends.cpu.winograd.weights import (
    SCRATCH as WEIGHTS_SCRATCH,
)
from netspec.backends.cpu.winograd.weights import (
    kernels_of,
    panel_size,
    plane_size,
    transform_panels,
)
from netspec.compiled import njit

BLOCK_VALUES = 1 << 18  # float32 values of a block's V and M: one core's cache
LEAST_TASKS = 16


def convolve_beside(
    x: Array, w: Array, y: Array, g: Grid, finish: Finish, backward: bool
) -> None:
    """y = w * x of one group, finished; for *backward* see
    :func:`netspec.backends.cpu.winograd.weights.kernels_of`."""
    wide_c, wide_k = padded(g.channels), padded(g.filters)
    rows = x.shape[0] * g.high
    some = min(
        max(1, BLOCK_VALUES // (PLANES * g.wide * (wide_c + wide_k))),
        -(-rows // LEAST_TASKS),
    )
    size = panel_size(g.channels)
    stride = plane_size(wide_k, size)
    tiles = -(-some * g.wide // ROWS) * ROWS
    pixels = g.tile**2 * g.wide * wide_k
    scratch = max(scratch_size(g), pixels + TERMS * wide_k, WEIGHTS_SCRATCH)
    share(
        _blocks, -(-rows // some), kernels_of(w, g, backward), x, y, finish, rows, some,
        size, stride, held_rows(g), g,
        workspace=PLANES * (stride + tiles * (wide_c + wide_k) + 2 * SPARE) + scratch,
        work=PLANES * g.tiles * g.channels * g.filters,
    )  # fmt: skip


@njit(nogil=True, cache=True)
def _blocks(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, w, x, y, finish, rows, some, size, stride, held, g
):
    """One task is *some* rows of tiles; every worker transforms the weights for
    itself."""
    wide_c = (g.channels + LANES - 1) // LANES * LANES
    wide_k = (g.filters + LANES - 1) // LANES * LANES
    tiles = (some * g.wide + ROWS - 1) // ROWS * ROWS
    size_v, size_m = tiles * wide_c + SPARE, tiles * wide_k + SPARE
    u = workspace[: PLANES * stride].reshape(PLANES, stride)
    workspace = workspace[PLANES * stride :]
    v = workspace[: PLANES * size_v].reshape(PLANES, size_v)
    rest = workspace[PLANES * size_v :]
    m = rest[: PLANES * size_m].reshape(PLANES, size_m)
    scratch = rest[PLANES * size_m :]
    task = claim(counter)
    if task < tasks:
        lines, wide = scratch.ctypes.data, (g.filters + WIDTH - 1) // WIDTH
        transform_panels(w, 0, wide, u, 0, lines, size, LANES, (0, g.channels), g)
    while task < tasks:
        first = task * some
        now = min(some, rows - first)
        for low in range(0, wide_c, LANES):
            target = low * tiles
            fill_channels(x, v, target, low, first, now, held, scratch, g)
        _multiply(u, v, m, tiles, now * g.wide, size, wide_k, g)
        _finish(m, y, finish, first, now, wide_k, scratch, g)
        task = claim(counter)


@njit(inline="always")
def _multiply(u, v, m, room, tiles, size, wide_k, g):  # type: ignore[no-untyped-def]
    """M, (PLANES, tile, filter), of *tiles*, for which V has *room*."""
    for i in range(PLANES):
        for k in range(0, wide_k, LANES):
            for low in range(0, g.channels, LANES):
                right = address(u[i], k // LANES * (2 * size) + low * LANES)
                depth = min(LANES, g.channels - low)
                for t in range(0, tiles, ROWS):
                    left = address(v[i], low * room + t * LANES)
                    out = address(m[i], t * wide_k + k)
                    multiply(
                        (left, LANES, 1, right, LANES, out, wide_k, depth, low > 0)
                    )


@njit(inline="always")
def _finish(m, y, finish, first, some, wide_k, scratch, g):  # type: ignore[no-untyped-def]
    """Outputs of the rows of tiles whose products are in m."""
    tile = tile_of(g)
    line = tile * g.wide
    pixels = scratch.ctypes.data
    terms = scratch[tile * line * wide_k :]
    for i in range(TERMS):
        for k in range(g.filters):
            terms[i * wide_k + k] = finish.terms[g.first_filter + k, i]
    plane, columns = y.shape[2] * y.shape[3], y.shape[3]
    ending = finish.scaled, finish.adds, finish.other, finish.floor
    rest = (terms.ctypes.data, wide_k, *ending)
    for r in range(some):
        n, row = divmod(first + r, g.high)
        products = address(m[0], r * g.wide * wide_k)
        outputs_by_channel(g, (products, m.shape[1], wide_k, pixels, line, g.wide))
        for i in range(min(tile, y.shape[2] - tile * row)):
            source = pixels + i * line * wide_k * FLOAT_BYTES
            target = address(y[n, g.first_filter, tile * row + i], 0)
            where = source, wide_k, columns, target, plane, g.filters
            apart_finished(where + rest)
