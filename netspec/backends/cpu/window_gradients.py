"""Gradients of pooling over the windows that nets have, in vector instructions.

Each pixel gathers from the windows that it lies in, in the order in which the reference
adds: by the pixel's place in them.  Pixels are written once, row by row; rows of
windows that pixels of the next row lie in as well stay in registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from netspec.backends.cpu import lanes
from netspec.backends.cpu.lanes import BYTES
from netspec.backends.cpu.lines import address
from netspec.backends.cpu.threads import claim
from netspec.backends.cpu.vectors import (
    FLOAT_BYTES,
    WIDTH,
    Emitter,
    Value,
    Vector,
)
from netspec.backends.cpu.windows import (
    Kept,
    Planes,
    called_with,
    for_squares,
    size_of,
)
from netspec.compiled import njit

_NOWHERE = 255  # a byte that is no place


class Strip:
    """Pixels of *stride* × WIDTH columns, and the windows that these lie in.

    Attributes:
        windows: for each step back, the number of the first of WIDTH windows and a mask
            of those that there are.  Pixel i of phase p has place p + step × stride in
            window i.
    """

    def __init__(
        self, emit: Emitter, at: Planes, block: Value, kernel: int, stride: int
    ) -> None:
        self.emit, self.kernel, self.stride = emit, kernel, stride
        first = emit.mul(block, WIDTH)
        starts = [emit.sub(first, step) for step in range(-(-kernel // stride))]
        self.windows = [(s, lanes.inside(emit, s, at.out_w)) for s in starts]
        column = emit.sub(emit.mul(first, stride), at.pad_w)
        columns = [emit.add(column, v * WIDTH) for v in range(stride)]
        self._pixels = [(c, lanes.inside(emit, c, at.width)) for c in columns]

    def steps(self, phase: int) -> list[tuple[int, int]]:
        """Steps back to a window, and the place in it, of a row or column of pixels."""
        places = range(phase, self.kernel, self.stride)
        return list(enumerate(places))

    def store(self, row: Value, phases: list[Vector]) -> None:
        """Write the pixels of a row, given those of each phase."""
        together = phases if len(phases) == 1 else self.emit.alternate(*phases)
        for vector, (column, mask) in zip(together, self._pixels, strict=True):
            lanes.store(self.emit, mask, row, column, vector)


class Placed:
    """The gradient of a window goes to its maximum."""

    def __init__(self, emit: Emitter, at: Planes, strip: Strip) -> None:
        self.emit, self.at, self.strip = emit, at, strip

    def of_row(self, row: Value, plane: Value) -> list[list[Value]]:
        """Gradients and places of a row of windows, for each step back."""
        line = self.emit.add(self.emit.mul(plane, self.at.out_h), row)
        skipped = self.emit.mul(line, self.at.out_w)
        gradients = self._unless_outside(row, self.at.y, size_of(self.emit, skipped))
        places = self._unless_outside(row, self.at.second, skipped)
        return [
            [
                lanes.load(self.emit, mask, gradients, first, 0.0).value,
                lanes.load_bytes(self.emit, mask, places, first, _NOWHERE),
            ]
            for first, mask in self.strip.windows
        ]

    def share(self, window: Sequence[Value], place: int) -> Vector:
        """What windows give to their pixels of one place."""
        gradient, chosen = window
        builder = self.emit.builder
        here = builder.icmp_unsigned("==", chosen, lanes.constant(BYTES, place))
        return Vector(builder, builder.select(here, gradient, self.emit.zero().value))

    def _unless_outside(self, row: Value, start: Value, skipped: Value) -> Value:
        inside = self.emit.builder.icmp_unsigned("<", row, self.at.out_h)
        there = self.emit.add(start, skipped)
        return self.emit.builder.select(inside, there, self.at.nowhere)


class Even(Placed):
    """Every pixel of a window gets its gradient by its area."""

    def of_row(self, row: Value, plane: Value) -> list[list[Value]]:
        """Shares of a row of windows, for each step back."""
        emit, at = self.emit, self.at
        line = emit.add(emit.mul(plane, at.out_h), row)
        skipped = size_of(emit, emit.mul(line, at.out_w))
        gradients = self._unless_outside(row, at.y, skipped)
        inside = emit.builder.icmp_unsigned("<", row, at.out_h)
        down = emit.load_one(at.second, emit.builder.select(inside, row, emit.index(0)))
        shares = []
        for first, mask in self.strip.windows:
            area = lanes.load(emit, mask, at.third, first, 1.0).times(down)
            gradient = lanes.load(emit, mask, gradients, first, 0.0)
            shares.append([emit.builder.fdiv(gradient.value, area.value)])
        return shares

    def share(self, window: Sequence[Value], place: int) -> Vector:
        """The same for every place."""
        return Vector(self.emit.builder, window[0])


def _gather(
    kind: type[Placed], emit: Emitter, at: Planes, kernel: int, stride: int
) -> None:
    """All planes, for windows of *kernel* × *kernel*, *stride* apart."""
    columns = emit.add(at.width, at.pad_w)
    blocks = emit.divide(emit.add(columns, stride * WIDTH - 1), stride * WIDTH)
    with emit.loop(blocks) as block:
        strip = Strip(emit, at, block, kernel, stride)
        operation = kind(emit, at, strip)
        with emit.loop(at.planes) as plane:
            _down(emit, at, strip, operation, plane)


def _down(
    emit: Emitter, at: Planes, strip: Strip, operation: Placed, plane: Value
) -> None:
    """One strip of pixels from the first row of a plane to its last."""
    kernel, stride, reach = strip.kernel, strip.stride, len(strip.windows)
    image = emit.mul(plane, emit.mul(at.height, at.width))
    none = operation.of_row(emit.index(-1), plane)
    kept = Kept(emit, none * (reach - 1))
    rows = emit.add(at.height, at.pad_h)
    with emit.loop(emit.divide(emit.add(rows, stride - 1), stride)) as line:
        windows = [*operation.of_row(line, plane), *kept.values()]
        for phase in range(stride):
            row = emit.sub(emit.add(emit.mul(line, stride), phase), at.pad_h)
            place = emit.add(image, emit.mul(row, at.width))
            with emit.builder.if_then(emit.builder.icmp_unsigned("<", row, at.height)):
                pixels = [
                    _sum(
                        emit,
                        [
                            operation.share(windows[h * reach + w], i * kernel + j)
                            for h, i in strip.steps(phase)
                            for w, j in strip.steps(other)
                        ],
                    )
                    for other in range(stride)
                ]
                strip.store(emit.add(at.x, size_of(emit, place)), pixels)
        kept.change(windows[: reach * (reach - 1)])


def _sum(emit: Emitter, shares: list[Vector]) -> Vector:
    """In this order, from 0 on."""
    total = emit.zero()
    for share in shares:
        total = total + share
    return total


_maximum = for_squares("maximum_gradient", partial(_gather, Placed))
_average = for_squares("average_gradient", partial(_gather, Even))


@njit(cache=True, nogil=True)
def maximum(counter, tasks, workspace, group, dx, dy, index, window):  # type: ignore[no-untyped-def]
    """Planes dx (P, H, W), dy and index (P, OH, OW); the workspace holds OW values.

    *window* is kernel, stride and pad, of H and of W each.
    """
    nothing = workspace.view(np.uint8)
    for i in range(dy.shape[2] * FLOAT_BYTES):
        nothing[i] = _NOWHERE
    nowhere = address(workspace, 0)
    task = claim(counter)
    while task < tasks:
        first = task * group
        places = address(index, 0) + first * dy.shape[1] * dy.shape[2]
        _maximum(called_with(dx, dy, places, 0, first, group, window, nowhere))
        task = claim(counter)


@njit(cache=True, nogil=True)
def average(counter, tasks, workspace, group, dx, dy, lengths, window):  # type: ignore[no-untyped-def]
    """The same; *lengths* of windows, down and across, are two of float32."""
    for w in range(dy.shape[2]):
        workspace[w] = 0
    nowhere = address(workspace, 0)
    down, across = address(lengths[0], 0), address(lengths[1], 0)
    task = claim(counter)
    while task < tasks:
        first = task * group
        _average(called_with(dx, dy, down, across, first, group, window, nowhere))
        task = claim(counter)
