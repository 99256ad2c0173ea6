"""The gradient of weights: sums of outer products over all positions.

What is multiplied is dy, as it lies, with a packed box of x; ``weight_cut`` says how.
Where the kernel is a single tap, x and dy may change places: the one of fewer channels
is packed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.direct.beside import pack, strip_size
from netspec.backends.cpu.direct.tile import add_products
from netspec.backends.cpu.direct.weight_cut import weight_cut
from netspec.backends.cpu.frame import Array, frame, image, macs, positions
from netspec.backends.cpu.lines import address
from netspec.backends.cpu.threads import buffer, claim, share
from netspec.backends.cpu.vectors import FLOAT_BYTES, ROWS
from netspec.compiled import njit
from netspec.shapes import count

SOME = 16  # filters whose sums are added to dw together
EFFORT = 16  # products that take as long as bringing a sum to its place
FILTERS = 256  # whose gradients of one box stay in the second cache


def backward_weights(x: Array, dy: Array, dw: Array, geo: ConvolutionGeometry) -> None:
    """dw += dy xᵀ, whose sums are complete before they are added."""
    turned = _turned(geo)
    if turned:
        _add(dy, x, dw, turned, 1, geo.channels // geo.group)
    else:
        _add(x, dy, dw, geo, geo.taps, 1)


@lru_cache(maxsize=1024)
def _turned(geo: ConvolutionGeometry) -> ConvolutionGeometry | None:
    """The geometry with x and dy exchanged, where that is better."""
    if not frame(geo).pointwise or geo.filters >= geo.channels:
        return None
    return replace(geo, channels=geo.filters, filters=geo.channels)


def _add(
    x: Array, dy: Array, dw: Array, geo: ConvolutionGeometry, row: int, column: int
) -> None:
    """*row* and *column* are from one filter's weight to the next in dw, and from one
    tap's."""
    cut, filters = weight_cut(geo), geo.filters // geo.group
    blocks, wide = cut.taps.shape
    apart, own = cut.parts > 1, -(-filters // cut.filters)
    shape = cut.parts, geo.group, blocks, filters if apart else 0, wide
    sums = buffer("weights", count(shape)).reshape(shape)
    target = dw.reshape(geo.group, -1)
    room = cut.size + strip_size(cut.box) + (0 if apart else cut.filters * wide)
    share(
        _sum, cut.parts * geo.group * blocks * own, image(x, geo), positions(dy, geo),
        sums, target, cut.panels, cut.tiles, cut.taps, cut.box, cut.boxes, cut.size,
        cut.filters, row, column, cut.frame, workspace=room, work=macs(geo),
    )  # fmt: skip
    if apart:
        share(
            _finish, geo.group * blocks * -(-filters // SOME), sums, target, cut.taps,
            row, column, work=EFFORT * sums.size,
        )  # fmt: skip


@njit(nogil=True, cache=True)
def _sum(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, x, dy, sums, dw, panels, tiles, taps, box, boxes, size,
    filters, row, column, f,
):  # fmt: skip
    """One task is some channels and filters of one group, for one part of the boxes.

    x (N, G, C, D, H, W), dy (N, G, K, positions), sums (parts, G, blocks, K, lanes),
    where there are several parts, dw (G, weights).
    """
    parts, apart = sums.shape[0], sums.shape[0] > 1
    blocks, wide = taps.shape
    packed, strip = workspace.ctypes.data, address(workspace, size)
    own = workspace[workspace.size - (0 if apart else filters * wide) :]
    some = (dy.shape[2] + filters - 1) // filters
    task = claim(counter)
    while task < tasks:
        rest, block = divmod(task, blocks)
        rest, several = divmod(rest, some)
        part, g = divmod(rest, x.shape[1])
        low = several * filters
        high = min(dy.shape[2], low + filters)
        start, stop = part * boxes // parts, (part + 1) * boxes // parts
        target = own.ctypes.data
        if apart:
            target = sums[part, g, block].ctypes.data
        for number in range(start, stop):
            place = _place(g, number, x.shape[0], dy.shape[3], box, f)
            pack(x, place, panels[block], packed, strip, box, f)
            then = min(number + 1, stop - 1)
            ahead = _place(g, then, x.shape[0], dy.shape[3], box, f)
            out = target, wide, number > start
            _multiply(dy, low, high, place, ahead, tiles[block], packed, out, f)
        if not apart:
            done = own[: (high - low) * wide].reshape(high - low, wide)
            _store(done, dw[g, low * row :], taps[block], row, column)
        task = claim(counter)


@njit(inline="always")
def _place(g, number, batch, positions, box, f):  # type: ignore[no-untyped-def]
    """A box: its group, its first image and how many, its depth, its first line and
    column and how many of each."""
    high = (f.out_h + box.lines - 1) // box.lines
    wide = (f.out_w + box.columns - 1) // box.columns
    rest, across = divmod(number, wide)
    rest, down = divmod(rest, high)
    several, depth = divmod(rest, positions // (f.out_h * f.out_w))
    n, line, column = several * box.images, down * box.lines, across * box.columns
    images, lines = min(box.images, batch - n), min(box.lines, f.out_h - line)
    return (
        g, n, images, depth, line, lines, column, min(box.columns, f.out_w - column)
    )  # fmt: skip


@njit(inline="always")
def _first(dy, place, f):  # type: ignore[no-untyped-def]
    """Where dy of a box begins."""
    g, n, _, depth, line, _, column, _ = place
    return address(dy[n, g, 0], (depth * f.out_h + line) * f.out_w + column)


@njit(inline="always")
def _multiply(dy, low, high, place, ahead, tiles, packed, out, f):  # type: ignore[no-untyped-def]
    """Add the products of a packed box with its part of dy, for filters *low* to
    *high*, some at a time; *out* is where sums are, how many a filter has, and whether
    to add."""
    _, _, images, _, _, lines, _, columns = place
    target, wide, more = out
    positions = dy.shape[3]
    first = _first(dy, place, f)
    then = _first(dy, ahead, f) - first
    image = dy.shape[1] * dy.shape[2] * positions
    for begin in range(low, high, FILTERS):
        some = min(FILTERS, high - begin)
        rounds = (some + ROWS - 1) // ROWS
        for t in range(tiles.shape[0]):
            vectors, lane, b0, b1, b2, b_image, b_line, b_step = tiles[t]
            tall, length = lines, columns
            if columns == f.out_w and b_line == columns * b_step:
                tall, length = 1, lines * columns  # on both sides one long line
            for r in range(rounds):
                k, end = begin + r * some // rounds, begin + (r + 1) * some // rounds
                row = first + k * positions * FLOAT_BYTES
                if vectors > 0:
                    add_products(
                        (
                            end - k, vectors, row, positions, image, f.out_w, 1,
                            packed + b0 * FLOAT_BYTES, packed + b1 * FLOAT_BYTES,
                            packed + b2 * FLOAT_BYTES, b_image, b_line, b_step,
                            target + ((k - low) * wide + lane) * FLOAT_BYTES, wide,
                            images, tall, length, more, row + then,
                        )
                    )  # fmt: skip


@njit(nogil=True, cache=True)
def _finish(counter, tasks, workspace, sums, dw, taps, row, column):  # type: ignore[no-untyped-def]
    """dw += the parts' sums, added in order; one task is SOME filters of a block."""
    parts, _, blocks, filters, _ = sums.shape
    each = (filters + SOME - 1) // SOME
    task = claim(counter)
    while task < tasks:
        rest, low = divmod(task, each)
        g, block = divmod(rest, blocks)
        low *= SOME
        high = min(filters, low + SOME)
        total = sums[0, g, block, low:high]
        for part in range(1, parts):
            more = sums[part, g, block, low:high]
            for k in range(high - low):
                for i in range(total.shape[1]):
                    total[k, i] += more[k, i]
        _store(total, dw[g, low * row :], taps[block], row, column)
        task = claim(counter)


@njit(nogil=True, cache=True)
def _store(sums, dw, taps, row, column):  # type: ignore[no-untyped-def]
    """Add the sums of some filters to dw; *row* and *column* are from one filter's
    weight to the next, and from one tap's."""
    for low in range(0, len(sums), SOME):
        high = min(len(sums), low + SOME)
        if row < column:
            for i in range(taps.size):
                if taps[i] >= 0:
                    for k in range(low, high):
                        dw[k * row + taps[i] * column] += sums[k, i]
        else:
            for k in range(low, high):
                for i in range(taps.size):
                    if taps[i] >= 0:
                        dw[k * row + taps[i] * column] += sums[k, i]
