"""The weights' gradient: Gᵀ (Σ D Vᵀ) G, the sum over all tiles.

V are the transformed inputs, D = A dy Aᵀ the transformed gradients, both with channels
side by side.  Where the sums are small, the images are cut into parts, each with sums
of its own, which are added in order; where they are large, all workers transform the
tiles of a chunk and then share out the sums.
"""

from __future__ import annotations

from netspec.backends.cpu.direct.beside import beside
from netspec.backends.cpu.frame import Array
from netspec.backends.cpu.lines import address, clear, span
from netspec.backends.cpu.panels import multiply
from netspec.backends.cpu.threads import buffer, claim, share
from netspec.backends.cpu.vectors import FLOAT_BYTES, LANES, ROWS, WIDTH
from netspec.backends.cpu.winograd.formulas import SPAN
from netspec.backends.cpu.winograd.grid import (
    SPARE,
    Grid,
    taps_of,
    tile_of,
)
from netspec.backends.cpu.winograd.transforms import (
    PLANES,
    inputs_by_channel,
    kernel_gradients,
    output_gradients_by_channel,
)
from netspec.compiled import njit

BLOCK_VALUES = 1 << 18  # float32 values of a block's V and D: one core's cache
# Of a chunk's V and D: about as many as sums, which every chunk reads and writes, as
# far as the cache that cores share has room for both.
LEAST_CHUNK, CHUNK_VALUES = 1 << 20, 1 << 22
SMALL_SUMS = 1 << 19  # values of the sums up to which there are parts
PARTS = 8
HELD = 1 << 14  # of pixels, about: they stay near the first cache


def weight_gradient(x: Array, dy: Array, dw: Array, g: Grid) -> None:
    """Add one group's gradient to dw (K, C / group, kernel)."""
    wide_c, wide_k = padded(g.channels), padded(g.filters)
    rows = x.shape[0] * g.high
    parts = min(PARTS, rows) if PLANES * wide_c * wide_k <= SMALL_SUMS else 1
    stride = wide_c * wide_k + SPARE
    sums = buffer("weights", parts * PLANES * stride).reshape(parts, PLANES, stride)
    (_by_part if parts > 1 else _by_chunk)(x, dy, sums, rows, g)
    kernel = g.taps**2
    kernels = dw.reshape(dw.shape[0], g.channels, kernel)
    room = (PLANES + kernel) * wide_c
    work = parts * PLANES * wide_c * g.filters
    share(_finish, g.filters, sums, kernels, wide_c, g, workspace=room, work=work)


def padded(channels: int) -> int:
    """Channels of whole panels."""
    return -(-channels // LANES) * LANES


def line_size(g: Grid) -> int:
    """Pixels of a line that a row of tiles sees."""
    return g.tile * (g.wide - 1) + SPAN


def held_rows(g: Grid) -> int:
    """Rows of tiles whose pixels a worker holds at once, at most."""
    lines = HELD // (LANES * line_size(g))
    return max(1, (lines - SPAN + g.tile) // g.tile)


def scratch_size(g: Grid) -> int:
    """Values of the scratch that :func:`fill_channels` needs."""
    return (g.tile * (held_rows(g) - 1) + SPAN) * line_size(g) * LANES


def _by_part(x: Array, dy: Array, sums: Array, rows: int, g: Grid) -> None:
    each = PLANES * g.wide * (padded(g.channels) + padded(g.filters))
    some = max(1, BLOCK_VALUES // each)
    share(
        _parts, sums.shape[0], x, dy, sums, rows, some, held_rows(g), g,
        workspace=each * some + 2 * PLANES * SPARE + scratch_size(g),
        work=PLANES * g.tiles * g.channels * g.filters,
    )  # fmt: skip


def _by_chunk(x: Array, dy: Array, sums: Array, rows: int, g: Grid) -> None:
    wide_c, wide_k = padded(g.channels), padded(g.filters)
    values = min(CHUNK_VALUES, max(LEAST_CHUNK, PLANES * wide_c * wide_k))
    most = max(1, values // (PLANES * g.wide * (wide_c + wide_k)))
    most = -(-rows // -(-rows // most))
    size_v, size_d = (most * g.wide * n + SPARE for n in (wide_c, wide_k))
    both = buffer("tiles", PLANES * (size_v + size_d))
    v = both[: PLANES * size_v].reshape(PLANES, size_v)
    d = both[PLANES * size_v :].reshape(PLANES, size_d)
    for first in range(0, rows, most):
        some = min(most, rows - first)
        share(
            _transform, (wide_c + wide_k) // LANES, x, dy, v, d, first, some,
            held_rows(g), g, workspace=scratch_size(g),
        )  # fmt: skip
        share(
            _sum, PLANES * wide_k // LANES, v, d, sums, some * g.wide, wide_c,
            wide_k, first > 0,
        )  # fmt: skip


@njit(nogil=True, cache=True)
def _parts(counter, tasks, workspace, x, dy, sums, rows, some, held, g):  # type: ignore[no-untyped-def]
    """One task is one part: a run of rows of tiles."""
    wide_c = (g.channels + LANES - 1) // LANES * LANES
    wide_k = (g.filters + LANES - 1) // LANES * LANES
    size_v, size_d = some * g.wide * wide_c + SPARE, some * g.wide * wide_k + SPARE
    v = workspace[: PLANES * size_v].reshape(PLANES, size_v)
    rest = workspace[PLANES * size_v :]
    d = rest[: PLANES * size_d].reshape(PLANES, size_d)
    scratch = rest[PLANES * size_d :]
    part = claim(counter)
    while part < tasks:
        start, stop = part * rows // tasks, (part + 1) * rows // tasks
        for first in range(start, stop, some):
            now = min(some, stop - first)
            for low in range(0, wide_c, LANES):
                at = low * now * g.wide
                fill_channels(x, v, at, low, first, now, held, scratch, g)
            for low in range(0, wide_k, LANES):
                _gradients(dy, d, low, first, now, scratch, g)
            for i in range(PLANES):
                for low in range(0, wide_k, LANES):
                    _add(v, d, sums[part], i, low, now * g.wide, wide_c, first > start)
        part = claim(counter)


@njit(nogil=True, cache=True)
def _transform(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, x, dy, v, d, first, some, held, g
):
    """One task is LANES channels of x or of dy, of a chunk."""
    inputs = (g.channels + LANES - 1) // LANES
    task = claim(counter)
    while task < tasks:
        if task < inputs:
            low = task * LANES
            at = low * some * g.wide
            fill_channels(x, v, at, low, first, some, held, workspace, g)
        else:
            low = (task - inputs) * LANES
            _gradients(dy, d, low, first, some, workspace, g)
        task = claim(counter)


@njit(nogil=True, cache=True)
def _sum(counter, tasks, workspace, v, d, sums, tiles, wide_c, wide_k, add):  # type: ignore[no-untyped-def]
    """One task is LANES filters of one plane."""
    task = claim(counter)
    while task < tasks:
        i, k = divmod(task, wide_k // LANES)
        _add(v, d, sums[0], i, k * LANES, tiles, wide_c, add)
        task = claim(counter)


@njit(inline="always")
def fill_channels(x, v, at, low, first, some, held, scratch, g):  # type: ignore[no-untyped-def]
    """V for LANES channels from *low* on, of *some* rows of tiles from *first* on:
    (PLANES, tile, LANES), from value *at* of each plane on."""
    tile, pixels = tile_of(g), scratch.ctypes.data
    line = tile * (g.wide - 1) + SPAN
    r = 0
    while r < some:
        n, row = divmod(first + r, g.high)
        rows = min(held, some - r, g.high - row)
        image = x[n, g.first_channel + low : g.first_channel + g.channels]
        top, lines = tile * row - g.pad_h, tile * (rows - 1) + SPAN
        _load(image, top, -g.pad_w, lines, line, pixels)
        for i in range(rows):
            source = pixels + i * tile * line * LANES * FLOAT_BYTES
            target = address(v[0], at + (r + i) * LANES * g.wide)
            inputs_by_channel(g, (source, line, target, v.shape[1], g.wide))
        r += rows


@njit(inline="always")
def _gradients(dy, d, low, first, some, scratch, g):  # type: ignore[no-untyped-def]
    """D for LANES filters from *low* on, laid out as V."""
    tile, pixels = tile_of(g), scratch.ctypes.data
    line = tile * g.wide
    for r in range(some):
        n, row = divmod(first + r, g.high)
        image = dy[n, g.first_filter + low : g.first_filter + g.filters]
        _load(image, tile * row, 0, tile, line, pixels)
        target = address(d[0], (low * some + r * LANES) * g.wide)
        output_gradients_by_channel(g, (pixels, line, target, d.shape[1], g.wide))


@njit(inline="always")
def _load(image, top, left, lines, line, pixels):  # type: ignore[no-untyped-def]
    """Lines of LANES channels, as far as there are any, with channels side by side.

    Lanes beyond the last channel repeat it: their sums are not used.
    """
    channels, high, wide = image.shape
    start, stop = span(left, 1, wide, line)
    for r in range(lines):
        target = pixels + r * line * LANES * FLOAT_BYTES
        if 0 <= top + r < high:
            clear((target, start * LANES))
            for half in range(0, LANES, WIDTH):
                source = address(image[min(half, channels - 1), top + r], left + start)
                there = max(1, min(WIDTH, channels - half))
                out = target + (start * LANES + half) * FLOAT_BYTES
                beside((source, high * wide, there, out, LANES, stop - start))
            clear((target + stop * LANES * FLOAT_BYTES, (line - stop) * LANES))
        else:
            clear((target, line * LANES))


@njit(inline="always")
def _add(v, d, sums, i, low, tiles, wide_c, more):  # type: ignore[no-untyped-def]
    """Sums of one plane over *tiles*, for LANES filters from *low* on."""
    for c in range(0, wide_c, LANES):
        right = address(v[i], c * tiles)
        for r in range(0, LANES, ROWS):
            left = address(d[i], low * tiles + r)
            out = address(sums[i], (low + r) * wide_c + c)
            multiply((left, 1, LANES, right, LANES, out, wide_c, tiles, more))


@njit(nogil=True, cache=True)
def _finish(counter, tasks, workspace, sums, dw, wide_c, g):  # type: ignore[no-untyped-def]
    """Add the parts in order, transform back, add to dw; one task is one filter."""
    u = workspace[: PLANES * wide_c].reshape(PLANES, wide_c)
    kernel = taps_of(g) * taps_of(g)
    taps = workspace[PLANES * wide_c :][: kernel * wide_c].reshape(kernel, wide_c)
    k = claim(counter)
    while k < tasks:
        for i in range(PLANES):
            total = u[i]
            for part in range(sums.shape[0]):
                values = sums[part, i, k * wide_c : (k + 1) * wide_c]
                for c in range(total.size):
                    total[c] = values[c] if part == 0 else total[c] + values[c]
        kernel_gradients(
            g, (u.ctypes.data, wide_c, taps.ctypes.data, wide_c, wide_c // WIDTH)
        )
        target = dw[g.first_filter + k]
        for c in range(g.channels):
            for t in range(kernel):
                target[c, t] += taps[t, c]
        k = claim(counter)
