"""Pooling over the windows that nets have, in vector instructions.

As many windows side by side as one vector shows whole are worked on at once, from the
first row of a plane to the last.  What windows of the next row share with these stays
in registers, so that every row of the image is read once.  Lanes beyond the image, and
rows, count as a value that changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.core import cgutils

from netspec.backends.cpu import lanes
from netspec.backends.cpu.lanes import INTEGERS
from netspec.backends.cpu.lines import address
from netspec.backends.cpu.threads import claim
from netspec.backends.cpu.vectors import (
    FLOAT_BYTES,
    WIDTH,
    Emitter,
    Value,
    Vector,
    emitted,
)
from netspec.backends.reference.pooling import LOWEST
from netspec.compiled import njit

# Kernel and stride, of H and W alike, that have kernels; any padding.
SQUARES = ((2, 2), (3, 1), (3, 2))

AHEAD = 1024  # values, from one that is read to one that is fetched meanwhile
_LEAST = np.float32(LOWEST)
_ADDRESS, _COUNT = types.uintp, types.intp
ARGUMENTS = (_ADDRESS,) * 4 + (_COUNT,) * 9 + (_ADDRESS,)  # of Planes


class Planes(NamedTuple):
    """What a kernel is called with, as one tuple: addresses, then sizes.

    Attributes:
        x: planes of height × width, or their gradients.
        y: planes of out_h × out_w, or their gradients.
        second: places of maxima, as bytes, like y; or the windows' lengths down.
        third: the windows' lengths across.
        nowhere: what a row of values is where there is none: as wide as the planes
            that the kernel reads.
    """

    x: Value
    y: Value
    second: Value
    third: Value
    planes: Value
    height: Value
    width: Value
    out_h: Value
    out_w: Value
    kernel: Value
    stride: Value
    pad_h: Value
    pad_w: Value
    nowhere: Value


class Maximum:
    """The first of the largest values, row by row; NaN is none."""

    outside = LOWEST

    def __init__(self, emit: Emitter, at: Planes, strip: Strip) -> None:
        self.emit, self.at, self.strip = emit, at, strip

    def of_row(self, taps: Sequence[Vector]) -> list[Value]:
        """What windows keep of one of their rows."""
        return [self._largest(taps).value]

    def finish(self, rows: Sequence[list[Value]], line: Value, row: Value) -> None:
        """Store what comes of all rows, at output *line*; *row* is its number."""
        largest = self._largest([Vector(self.emit.builder, value) for (value,) in rows])
        at = self.emit.add(self.emit.mul(line, self.at.out_w), self.strip.first)
        lanes.store(self.emit, self.strip.outputs, self.at.y, at, largest)

    def _largest(self, taps: Sequence[Vector]) -> Vector:
        largest = self.emit.splat(self.emit.float(LOWEST))
        for tap in taps:
            largest = largest.or_greater(tap)
        return largest


class PlacedMaximum(Maximum):
    """The same, and its place in the window; kernel × kernel where there is none."""

    def of_row(self, taps: Sequence[Vector]) -> list[Value]:
        """The largest value of a row and its column."""
        return self._first(
            taps, [lanes.constant(INTEGERS, k) for k in range(len(taps))]
        )

    def finish(self, rows: Sequence[list[Value]], line: Value, row: Value) -> None:
        """Store the largest value and its place."""
        builder, kernel = self.emit.builder, len(rows)
        values = [Vector(builder, value) for value, _ in rows]
        places = [
            builder.add(place, lanes.constant(INTEGERS, kernel * k))
            for k, (_, place) in enumerate(rows)
        ]
        largest, place = self._first(values, places, kernel * kernel)
        at = self.emit.add(self.emit.mul(line, self.at.out_w), self.strip.first)
        mask = self.strip.outputs
        lanes.store(self.emit, mask, self.at.y, at, Vector(builder, largest))
        lanes.store_bytes(self.emit, mask, self.at.second, at, place)

    def _first(
        self, values: Sequence[Vector], places: Sequence[Value], nowhere: int = 0
    ) -> list[Value]:
        builder = self.emit.builder
        largest = self.emit.splat(self.emit.float(LOWEST)).value
        place = lanes.constant(INTEGERS, nowhere)
        for value, here in zip(values, places, strict=True):
            better = builder.fcmp_ordered(">", value.value, largest)
            largest = builder.select(better, value.value, largest)
            place = builder.select(better, here, place)
        return [largest, place]


class Average(Maximum):
    """The sum of a window, value by value as the reference adds them, by its area."""

    outside = 0.0

    def of_row(self, taps: Sequence[Vector]) -> list[Value]:
        """All values: the order of the sum goes over rows first."""
        return [tap.value for tap in taps]

    def finish(self, rows: Sequence[list[Value]], line: Value, row: Value) -> None:
        """Store the mean."""
        emit = self.emit
        total = emit.zero()
        for row_values in rows:
            for value in row_values:
                total = total + Vector(emit.builder, value)
        across = lanes.load(
            emit, self.strip.outputs, self.at.third, self.strip.first, 1.0
        )
        area = across.times(emit.load_one(self.at.second, row))
        at = emit.add(emit.mul(line, self.at.out_w), self.strip.first)
        mean = Vector(emit.builder, emit.builder.fdiv(total.value, area.value))
        lanes.store(emit, self.strip.outputs, self.at.y, at, mean)


class Strip:
    """Windows side by side, as many as one vector a phase of the stride shows whole.

    Attributes:
        first: number of the first window.
        outputs: mask of those that there are.
    """

    def __init__(
        self, emit: Emitter, at: Planes, block: Value, kernel: int, stride: int
    ) -> None:
        self.emit, self.kernel, self.stride = emit, kernel, stride
        step = windows_of(kernel, stride)
        self.first = emit.mul(block, step)
        end = emit.add(self.first, step)
        beyond = emit.builder.icmp_signed(">", end, at.out_w)
        end = emit.builder.select(beyond, at.out_w, end)
        self.outputs = lanes.inside(emit, self.first, end)
        base = emit.sub(emit.mul(self.first, stride), at.pad_w)
        columns = [emit.add(base, v * WIDTH) for v in range(stride)]
        self.columns = [(c, lanes.inside(emit, c, at.width)) for c in columns]

    def taps(self, row: Value, outside: float) -> list[Vector]:
        """The values of one row, by their column of the window."""
        self.emit.prefetch(row, self.emit.add(self.columns[0][0], AHEAD))
        phases = self._apart(
            [lanes.load(self.emit, mask, row, at, outside) for at, mask in self.columns]
        )
        while len(phases) < self.kernel:  # what a neighbour of the window has there
            phases.append(self.emit.turned(phases[-self.stride]))
        return phases

    def _apart(self, vectors: list[Vector]) -> list[Vector]:
        """One vector of each phase of the stride."""
        return vectors if len(vectors) == 1 else self.emit.in_turn(*vectors)


def windows_of(kernel: int, stride: int) -> int:
    """Windows of one strip."""
    return WIDTH - (kernel - 1) // stride


def size_of(emit: Emitter, values: Value) -> Value:
    """Bytes of that many float32 values."""
    return emit.mul(values, FLOAT_BYTES)


Body = Callable[[Emitter, "Planes", int, int], None]  # of a kernel and a stride


def for_squares(name: str, body: Body) -> Any:
    """What *body* emits for windows of each of SQUARES; called with Planes."""

    def over(emit: Emitter, *arguments: Value) -> None:
        at, build = Planes(*arguments), emit.builder
        for kernel, stride in SQUARES:
            own = build.and_(
                build.icmp_signed("==", at.kernel, emit.index(kernel)),
                build.icmp_signed("==", at.stride, emit.index(stride)),
            )
            with build.if_then(own):
                body(emit, at, kernel, stride)

    over.__name__ = name
    over.__doc__ = f"{name} over planes; called with {Planes.__name__}."
    return emitted(*ARGUMENTS, apart=True)(over)


def _pool(
    kind: type[Maximum], emit: Emitter, at: Planes, kernel: int, stride: int
) -> None:
    """All planes, for windows of *kernel* × *kernel*, *stride* apart."""
    step = windows_of(kernel, stride)
    blocks = emit.divide(emit.add(at.out_w, step - 1), step)
    with emit.loop(at.planes) as plane, emit.loop(blocks) as block:
        strip = Strip(emit, at, block, kernel, stride)
        _down(emit, at, strip, kind(emit, at, strip), plane)


def _down(
    emit: Emitter, at: Planes, strip: Strip, operation: Maximum, plane: Value
) -> None:
    """One strip of windows from the first row of a plane to its last."""
    image = emit.add(
        at.x, size_of(emit, emit.mul(plane, emit.mul(at.height, at.width)))
    )

    def read(row: Value) -> list[Value]:
        here = emit.add(image, size_of(emit, emit.mul(row, at.width)))
        inside = emit.builder.icmp_unsigned("<", row, at.height)
        source = emit.builder.select(inside, here, at.nowhere)
        return operation.of_row(strip.taps(source, operation.outside))

    shared = strip.kernel - strip.stride
    top = emit.sub(0, at.pad_h)
    kept = Kept(emit, [read(emit.add(top, row)) for row in range(shared)])
    with emit.loop(at.out_h) as line:
        top = emit.sub(emit.mul(line, strip.stride), at.pad_h)
        new = [read(emit.add(top, row)) for row in range(shared, strip.kernel)]
        rows = [*kept.values(), *new]
        number = emit.add(emit.mul(plane, at.out_h), line)
        operation.finish(rows, number, line)
        kept.change(rows[strip.stride :])


class Kept:
    """Rows of values that a loop keeps for its next round."""

    def __init__(self, emit: Emitter, rows: Sequence[Sequence[Value]]) -> None:
        self.builder = emit.builder
        self.slots = [[self._slot(value) for value in row] for row in rows]

    def values(self) -> list[list[Value]]:
        """What is kept now."""
        load = self.builder.load
        return [[load(slot, typ=kind) for slot, kind in row] for row in self.slots]

    def change(self, rows: Sequence[Sequence[Value]]) -> None:
        """Keep these from now on."""
        for row, slots in zip(rows, self.slots, strict=True):
            for value, (slot, _) in zip(row, slots, strict=True):
                self.builder.store(value, slot)

    def _slot(self, value: Value) -> tuple[Value, Value]:
        return cgutils.alloca_once_value(self.builder, value), value.type


_maximum = for_squares("maximum", partial(_pool, Maximum))
_placed = for_squares("placed_maximum", partial(_pool, PlacedMaximum))
_average = for_squares("average", partial(_pool, Average))


@njit(inline="always")
def called_with(x, y, second, third, first, group, window, nowhere):  # type: ignore[no-untyped-def]
    """:class:`Planes` for *group* planes of x (P, H, W) and y (P, OH, OW), or as many
    as there are, from plane *first* on."""
    _, height, width = x.shape
    planes, out_h, out_w = y.shape
    return (
        address(x, first * height * width), address(y, first * out_h * out_w),
        second, third, min(group, planes - first),
        height, width, out_h, out_w, window[0], window[2], window[4], window[5],
        nowhere,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def maximum(counter, tasks, workspace, group, x, y, window):  # type: ignore[no-untyped-def]
    """Planes x (P, H, W), y (P, OH, OW); the workspace holds W values.

    *window* is kernel, stride and pad, of H and of W each.
    """
    for w in range(x.shape[2]):
        workspace[w] = _LEAST
    nowhere = address(workspace, 0)
    task = claim(counter)
    while task < tasks:
        first = task * group
        _maximum(called_with(x, y, 0, 0, first, group, window, nowhere))
        task = claim(counter)


@njit(cache=True, nogil=True)
def placed_maximum(counter, tasks, workspace, group, x, y, index, window):  # type: ignore[no-untyped-def]
    """The same, with places: bytes like y."""
    for w in range(x.shape[2]):
        workspace[w] = _LEAST
    nowhere = address(workspace, 0)
    task = claim(counter)
    while task < tasks:
        first = task * group
        places = address(index, 0) + first * y.shape[1] * y.shape[2]
        _placed(called_with(x, y, places, 0, first, group, window, nowhere))
        task = claim(counter)


@njit(cache=True, nogil=True)
def average(counter, tasks, workspace, group, x, y, lengths, window):  # type: ignore[no-untyped-def]
    """The same; *lengths* of windows, down and across, are two of float32."""
    for w in range(x.shape[2]):
        workspace[w] = 0
    nowhere = address(workspace, 0)
    down, across = address(lengths[0], 0), address(lengths[1], 0)
    task = claim(counter)
    while task < tasks:
        first = task * group
        _average(called_with(x, y, down, across, first, group, window, nowhere))
        task = claim(counter)
