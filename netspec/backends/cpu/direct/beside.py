"""Packing lines of images with channels side by side, for the weight gradient.

A packed line holds its positions in order, each with the values of all channels of a
panel; zeros where it lies outside the image.  Vectors that are stored may reach beyond
the last channel, so that what follows is stored later.
"""

from __future__ import annotations

from collections.abc import Callable

from numba import types

from netspec.backends.cpu import lanes
from netspec.backends.cpu.direct.weight_cut import Box
from netspec.backends.cpu.finishing import completed, scaled_sums
from netspec.backends.cpu.lines import address, clear, copy, pad_rows, span
from netspec.backends.cpu.vectors import (
    FLOAT_BYTES,
    WIDTH,
    Emitter,
    Value,
    Vector,
    emitted,
)
from netspec.compiled import njit

_ADDRESS, _COUNT = types.uintp, types.intp


def strip_size(box: Box) -> int:
    """Values of the scratch that :func:`pack` needs."""
    return WIDTH * (box.length + WIDTH)


@njit(inline="always")
def pack(x, place, panels, target, strip, box, f):  # type: ignore[no-untyped-def]
    """Pack what some positions of one group meet; x (N, G, C, D, H, W).

    *place* is the group, the first image and how many, the depth, and the first line
    and column and how many; *target* and *strip* are addresses.
    """
    g, n, images, depth, line, lines, column, columns = place
    left = column * f.stride_w - f.pad_w
    width = (columns - 1) * box.step + (f.kernel_w - 1) * f.dilation_w + 1
    deep, rows, ahead = 1, lines, f.stride_h
    if not box.stacked:
        rows = (lines - 1) * f.stride_h + (f.kernel_h - 1) * f.dilation_h + 1
        deep, ahead = f.kernel_d, 1
    through = f.stride_w > box.step or (box.stacked and f.kernel_d * f.kernel_h > 1)
    for p in range(panels.shape[0]):
        first, channels, begin = panels[p]
        for i in range(images):
            for kd in range(deep):
                d = depth * f.stride_d - f.pad_d + kd * f.dilation_d
                for r in range(rows):
                    h = line * f.stride_h - f.pad_h + r * ahead
                    row = i * box.rows + kd * (box.rows // deep) + r
                    at = begin + row * box.length * channels
                    out = target + at * FLOAT_BYTES
                    where = d, h, left, width
                    if through:
                        _stack(x[n + i, g], where, first, channels, out, strip, box, f)
                    else:
                        _turn(x[n + i, g], where, first, channels, out)


@njit(inline="always")
def _turn(image, where, first, channels, target):  # type: ignore[no-untyped-def]
    """Pack a line of some channels of image (C, D, H, W): its depth and height, its
    first column, and how many positions it has."""
    d, h, left, width = where
    if not (0 <= d < image.shape[1] and 0 <= h < image.shape[2]):
        clear((target, width * channels))
        return
    low, high = span(left, 1, image.shape[3], width)
    clear((target, low * channels))
    plane = image.shape[1] * image.shape[2] * image.shape[3]
    for c in range((channels - 1) // WIDTH * WIDTH, -1, -WIDTH):
        source = address(image[first + c, d, h], left + low)
        out = target + (low * channels + c) * FLOAT_BYTES
        beside((source, plane, min(WIDTH, channels - c), out, channels, high - low))
    clear((target + high * channels * FLOAT_BYTES, (width - high) * channels))


@njit(inline="always")
def _stack(image, where, first, channels, target, strip, box, f):  # type: ignore[no-untyped-def]
    """The same, for channels of which those of a window's next line are the next, and
    positions that may be some columns apart: through a strip of lines."""
    d, h, left, width = where
    pitch, apart = box.length + WIDTH, f.stride_w // box.step
    low, high = span(left, apart, image.shape[3], width)
    for c in range((channels - 1) // WIDTH * WIDTH, -1, -WIDTH):
        some = min(WIDTH, channels - c)
        for i in range(some):
            window, channel = divmod(first + c + i, image.shape[0])
            kd, kh = divmod(window, f.kernel_h)
            row = d + kd * f.dilation_d, h + kh * f.dilation_h
            out = strip + i * pitch * FLOAT_BYTES
            if not (0 <= row[0] < image.shape[1] and 0 <= row[1] < image.shape[2]):
                clear((out, width))
            elif apart == 1:
                source = address(image[channel, row[0], row[1]], left)
                pad_rows((source, 0, out, 0, 1, low, high, width))
            else:
                source = address(image[channel, row[0], row[1]], left + low * apart)
                clear((out, low))
                copy((source, apart, out + low * FLOAT_BYTES, high - low))
                clear((out + high * FLOAT_BYTES, width - high))
        out = target + c * FLOAT_BYTES
        beside((strip, pitch, some, out, channels, width))


@emitted(_ADDRESS, _COUNT, _COUNT, _ADDRESS, _COUNT, _COUNT, apart=True)
def beside(
    emit: Emitter,
    rows: Value,
    step: Value,
    count: Value,
    target: Value,
    jump: Value,
    width: Value,
) -> None:
    """Put *width* values of each of *count* rows, *step* apart, side by side.

    Called with one tuple; there are 1 to WIDTH rows.  Each column of them is stored as
    one vector, *jump* after the one before: its lanes beyond *count* hold anything.
    """
    build, last = emit.builder, emit.sub(count, 1)
    starts = []
    for i in range(WIDTH):
        inside = build.icmp_signed("<", emit.index(i), last)
        row = build.select(inside, emit.index(i), last)
        starts.append(emit.mul(step, row))
    whole = emit.divide(width, WIDTH)
    with emit.loop(whole) as block:
        at = emit.mul(block, WIDTH)
        places = [emit.add(at, start) for start in starts]
        for i, column in enumerate(emit.columns(rows, places)):
            emit.store(target, emit.mul(emit.add(at, i), jump), column)
    at = emit.mul(whole, WIDTH)
    rest = emit.sub(width, at)
    with build.if_then(build.icmp_signed(">", rest, emit.index(0))):
        mask = lanes.inside(emit, at, width)
        places = [emit.add(at, start) for start in starts]
        taken = [lanes.load(emit, mask, rows, place, 0.0) for place in places]
        for i, column in enumerate(emit.transpose(taken)):
            with build.if_then(build.icmp_signed("<", emit.index(i), rest)):
                emit.store(target, emit.mul(emit.add(at, i), jump), column)


@emitted(_ADDRESS, _COUNT, _COUNT, _ADDRESS, _COUNT, _COUNT, apart=True)
def apart(emit: Emitter, *args: Value) -> None:
    """Put *width* values of each of *count* rows, *step* apart, into as many lines,
    *jump* apart.

    Called with one tuple of: the address of the rows, *step*, *count*; the address of
    the lines, *jump*, *width*.
    """
    _apart(emit, lambda line, rows: rows, lambda value, mask, at: value, *args)


@emitted(
    _ADDRESS, _COUNT, _COUNT, _ADDRESS, _COUNT, _COUNT, _ADDRESS, _COUNT,
    types.boolean, types.boolean, _COUNT, types.float32, apart=True,
)  # fmt: skip
def apart_finished(emit: Emitter, *args: Value) -> None:
    """The same for sums of filters, which are finished.

    Called with one tuple of: what :func:`apart` takes; the address of lines with one
    term each of all filters, in whole vectors, and their distance; *scaled*, *adds*,
    *other* and *floor* of :class:`~netspec.backends.cpu.epilogue.Finish`.
    """
    terms, jump, scaled, adds, other, floor = args[6:]
    beside = emit.add(args[3], other)

    def change(line: Value, rows: list[Vector]) -> list[Vector]:
        def term(i: int) -> Vector:
            return emit.load(terms, emit.add(emit.mul(jump, i), line))

        return scaled_sums(emit, rows, term, scaled)

    def end(value: Vector, mask: Value, at: Value) -> Vector:
        def load(_: int) -> Vector:
            return lanes.load(emit, mask, beside, at, 0.0)

        return completed(emit, [value], load, adds, floor)[0]

    _apart(emit, change, end, *args[:6])


def _apart(
    emit: Emitter,
    change: Callable[[Value, list[Vector]], list[Vector]],
    end: Callable[[Vector, Value, Value], Vector],
    rows: Value,
    step: Value,
    count: Value,
    target: Value,
    jump: Value,
    width: Value,
) -> None:
    """*change* is told which value of the rows their vectors begin with, *end* the mask
    of a vector's lanes and the place in the lines where it will be stored."""
    build = emit.builder
    blocks = emit.divide(emit.add(count, WIDTH - 1), WIDTH)
    vectors = emit.divide(emit.add(width, WIDTH - 1), WIDTH)
    with emit.loop(blocks) as block, emit.loop(vectors) as vector:
        first, line = emit.mul(block, WIDTH), emit.mul(vector, WIDTH)
        last, taken = emit.sub(count, 1), []
        values, lines = (
            lanes.inside(emit, at, end) for at, end in ((line, width), (first, count))
        )
        for i in range(WIDTH):
            row = emit.add(first, i)
            row = build.select(build.icmp_signed("<", row, last), row, last)
            at = emit.add(emit.mul(row, step), line)
            taken.append(lanes.load(emit, values, rows, at, 0.0))
        for i, column in enumerate(emit.transpose(change(line, taken))):
            here = emit.add(line, i)
            with build.if_then(build.icmp_signed("<", here, width)):
                at = emit.add(emit.mul(here, jump), first)
                emit.prefetch(target, emit.add(at, WIDTH), write=True)
                lanes.store(emit, lines, target, at, end(column, lines, at))
