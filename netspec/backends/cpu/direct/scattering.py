"""The gradient of data, the other way: each output adds what it brings to its inputs.

Channels of an input lie side by side, as in the weight gradient, so that what the taps
of a line of the kernel meet is one run of values, to which a run of sums is added.
That pays where channels alone would fill their vectors badly, or where much of what the
inputs meet lies beyond the outputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numba import types

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu import lanes
from netspec.backends.cpu.direct.beside import apart
from netspec.backends.cpu.direct.tile import VECTORS, add_products
from netspec.backends.cpu.direct.weight_cut import panels_of, runs, split, table
from netspec.backends.cpu.frame import (
    Array,
    Frame,
    frame,
    image,
    lifted,
    macs,
    planes,
    weights,
)
from netspec.backends.cpu.lines import address, clear
from netspec.backends.cpu.threads import buffer, claim, share
from netspec.backends.cpu.vectors import (
    FLOAT_BYTES,
    INDEX,
    ROWS,
    WIDTH,
    Emitter,
    Value,
    emitted,
)
from netspec.compiled import njit
from netspec.shapes import Shape, count

AHEAD = 16  # outputs whose factors are fetched meanwhile
EFFORT = 4  # products that take as long as bringing a weight to its place
DEPTH = 64  # filters of one sum: what neighbouring sums meet stays in the first cache

INDEX_BYTES = INDEX.width // 8

_ADDRESS, _COUNT = types.uintp, types.intp


@dataclass(frozen=True)
class Runs:
    """How the data gradient of one geometry is scattered.

    Attributes:
        frame: the geometry as compiled code takes it.
        margins: depth, height and width of the inputs with all that windows stand on.
        panels: (panels, 2): first and number of the channels of a task.
        tiles: (panels, tiles, 3): of the vectors that are summed at once, how many;
            where they begin, from the window's first input on; and in the lanes.
        taps: (lanes,): which weight of a filter each lane has; -1: none.
    """

    frame: Frame
    margins: Shape
    panels: Array
    tiles: Array
    taps: Array


@lru_cache(maxsize=1024)
def cut(geo: ConvolutionGeometry) -> Runs:
    """The runs of one geometry."""
    f, channels = frame(geo), geo.channels // geo.group
    margins = _margins(geo, f)
    tiles: list[list[tuple[int, int, int]]] = []
    taps: list[int] = []
    for first, some in panels_of(channels):
        tiles.append([])
        for begin, found in _runs(f, margins, first, some):
            for v, each in split(-(-len(found) // WIDTH)):
                at = v * WIDTH
                tiles[-1].append((each, begin + at, len(taps) + at))
            taps += [*found, *[-1] * (-len(found) % WIDTH)]
    return Runs(
        frame=f,
        margins=margins,
        panels=np.array(list(panels_of(channels))),
        tiles=table(tiles),
        taps=np.array(taps),
    )


def _margins(geo: ConvolutionGeometry, f: Frame) -> Shape:
    size, output = lifted(geo.input), lifted(geo.output)
    pads, strides = (f.pad_d, f.pad_h, f.pad_w), (f.stride_d, f.stride_h, f.stride_w)
    kernel = f.kernel_d, f.kernel_h, f.kernel_w
    dilation = f.dilation_d, f.dilation_h, f.dilation_w
    axes = zip(size, output, pads, strides, kernel, dilation, strict=True)
    return tuple(
        max(n + pad, (out - 1) * stride + (k - 1) * d + 1)
        for n, out, pad, stride, k, d in axes
    )


def _runs(
    f: Frame, margins: Shape, first: int, channels: int
) -> Iterator[tuple[int, list[int]]]:
    """Where each run of a panel begins, and the taps of its lanes."""
    taps, many = runs(f)
    window = f.kernel_d * f.kernel_h * f.kernel_w
    starts = np.arange(first, first + channels) * window
    for kd, kh, run in product(range(f.kernel_d), range(f.kernel_h), range(many)):
        line = kd * f.dilation_d * margins[1] + kh * f.dilation_h
        begin = (line * margins[2] + run * f.dilation_w) * channels
        columns = (kd * f.kernel_h + kh) * f.kernel_w + run * taps + np.arange(taps)
        yield begin, (columns.reshape(-1, 1) + starts).reshape(-1).tolist()


def scatter(dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry) -> None:
    """dx = wᵀ * dy."""
    plan, filters = cut(geo), geo.filters // geo.group
    by_lane = buffer("weights", geo.group * filters * len(plan.taps))
    by_lane = by_lane.reshape(geo.group, -1)
    share(
        _order, geo.group * filters, weights(w, geo), by_lane, plan.tiles, plan.taps,
        work=EFFORT * by_lane.size,
    )  # fmt: skip
    room = count(plan.margins) * max(plan.panels[:, 1]) + VECTORS * WIDTH
    share(
        _scatter, geo.batch * geo.group * len(plan.panels), planes(dy, geo), by_lane,
        image(dx, geo), plan.panels, plan.tiles, plan.margins, plan.frame,
        workspace=int(room), work=macs(geo),
    )  # fmt: skip


@njit(nogil=True, cache=True)
def _order(counter, tasks, workspace, w, u, tiles, taps):  # type: ignore[no-untyped-def]
    """Weights (G, K, taps) as (G, tiles × K × lanes of a tile); one task is one
    filter."""
    filters = w.shape[1]
    task = claim(counter)
    while task < tasks:
        g, k = divmod(task, filters)
        for p in range(tiles.shape[0]):
            for t in range(tiles.shape[1]):
                vectors, _, first = tiles[p, t]
                out = address(u[g], first * filters + k * vectors * WIDTH)
                source, places = address(w[g, k], 0), address(taps[first:], 0)
                _order_tile((source, places, out, vectors))
        task = claim(counter)


@emitted(_ADDRESS, _ADDRESS, _ADDRESS, _COUNT, apart=True)
def _order_tile(
    emit: Emitter, source: Value, taps: Value, target: Value, vectors: Value
) -> None:
    """target[i] = source[taps[i]], or 0 where there is no tap."""
    kind = lanes.PLACES.as_pointer()
    with emit.loop(vectors) as vector:
        at = emit.mul(vector, WIDTH)
        place = emit.builder.inttoptr(emit.add(taps, emit.mul(at, INDEX_BYTES)), kind)
        places = emit.builder.load(place, align=INDEX_BYTES, typ=lanes.PLACES)
        emit.store(target, at, lanes.load_from(emit, source, places))


@njit(nogil=True, cache=True)
def _scatter(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, dy, w, dx, panels, tiles, margins, f
):
    """One task is a panel of channels of one group of one image.

    dy (N, G, K, D, H, W), w (G, what :func:`_order` made), dx (N, G, C, D, H, W).
    """
    sums = workspace.ctypes.data
    task = claim(counter)
    while task < tasks:
        rest, p = divmod(task, panels.shape[0])
        n, g = divmod(rest, dx.shape[1])
        first, channels = panels[p]
        clear((sums, margins[0] * margins[1] * margins[2] * channels))
        for low in range(0, dy.shape[2], DEPTH):
            some = min(DEPTH, dy.shape[2] - low)
            for t in range(tiles.shape[1]):
                vectors, begin, lane = tiles[p, t]
                right = lane * dy.shape[2] + low * vectors * WIDTH
                where = address(w[g], right), sums + begin * FLOAT_BYTES
                if vectors > 0:
                    _add(dy[n, g, low:], some, vectors, where, channels, margins, f)
        _store(dx[n, g, first : first + channels], sums, margins, f)
        task = claim(counter)


@njit(inline="always")
def _add(dy, filters, vectors, where, channels, margins, f):  # type: ignore[no-untyped-def]
    """Add what some filters bring to a few vectors of each window.

    What is summed at once are outputs far from each other, lest they bring something to
    the same inputs: of neighbouring lines, or where there are few, along a line.
    """
    right, target = where
    deep, high, wide = dy.shape[1:]
    row, step = margins[2] * channels, f.stride_w * channels
    far = max((wide + ROWS - 1) // ROWS, (VECTORS * WIDTH + step - 1) // step)
    down = high >= ROWS // 2
    rounds, starts, apart = high, min(far, wide), (far, far * step)
    if down:
        rounds, starts, apart = (
            (high + ROWS - 1) // ROWS,
            wide,
            (wide, f.stride_h * row),
        )
    plane, lanes = high * wide, vectors * WIDTH
    turns = 0, 0, lanes
    seconds = right, right + WIDTH * FLOAT_BYTES, right + 2 * WIDTH * FLOAT_BYTES
    for d in range(deep):
        for r in range(rounds):
            line, end = r, r + 1
            if down:
                line, end = r * high // rounds, (r + 1) * high // rounds
            at = (d * f.stride_d * margins[1] + line * f.stride_h) * row
            for column in range(starts):
                rows = end - line if down else (wide - column + far - 1) // far
                a = address(dy[0, d, line], column)
                first = rows, vectors, a, apart[0], 0, 0, deep * plane
                c = target + (at + column * step) * FLOAT_BYTES, apart[1]
                rest = 1, 1, filters, True, a + AHEAD * FLOAT_BYTES
                add_products(first + seconds + turns + c + rest)


@njit(inline="always")
def _store(dx, sums, margins, f):  # type: ignore[no-untyped-def]
    """Gradients of some channels (C, D, H, W) to their places."""
    channels, deep, high, wide = dx.shape
    for d in range(deep):
        for h in range(high):
            at = ((d + f.pad_d) * margins[1] + h + f.pad_h) * margins[2] + f.pad_w
            source = sums + at * channels * FLOAT_BYTES
            target = address(dx[0, d, h], 0)
            apart((source, channels, wide, target, deep * high * wide, channels))
