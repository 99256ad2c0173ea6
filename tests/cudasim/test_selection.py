"""Elements chosen, moved and put in another order, against the reference."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.base import AxisSplit

RNG = np.random.default_rng(33)


def draw(*shape):
    return np.array(RNG.standard_normal(shape), np.float32)


@pytest.mark.parametrize("number", [np.float32, np.int32, np.int64])
@pytest.mark.parametrize(
    ("rows", "columns", "taken"), [(5, 3, 9), (4, 1, 2), (6, 300, 70), (3, 13, 0)]
)
def test_rows_are_taken_and_added(rows, columns, taken, number, machine):
    x, dy, bias = draw(rows, columns), draw(taken, columns), draw(columns)
    index = RNG.integers(0, rows, taken).astype(number)

    def call(ops):
        y, biased = np.full_like(dy, np.nan), np.full_like(dy, np.nan)
        dx = np.ones_like(x)
        ops.take_rows(x, index, y)
        ops.take_rows(x, index, biased, bias)
        ops.add_rows(dy, index, dx)
        return y, biased, dx

    machine.agree(call, 0, 0)  # the order of sums is the reference's


def test_kept_rows(machine):
    selector = np.array([0, 1, -0.0, np.nan, 0, -2], np.float32)

    def call(ops):
        index, none = np.full(6, -1), np.full(6, -1)
        kept = ops.kept_rows(selector, index)
        return kept, index, ops.kept_rows(0 * selector[:2], none), none

    machine.agree(call)


@pytest.mark.parametrize(
    ("shape", "size", "offset"),
    [
        ((3, 5, 6), (3, 2, 4), (0, 2, 1)),
        ((2, 3, 4, 5), (1, 2, 3, 1), (1, 1, 0, 4)),
        ((7,), (3,), (2,)),
    ],
)
def test_crop(shape, size, offset, machine):
    x, dy = draw(*shape), draw(*size)

    def call(ops):
        y, dx = np.full_like(dy, np.nan), np.full(shape, np.nan, np.float32)
        ops.crop(x, y, offset)
        ops.crop_backward(dy, dx, offset)
        return y, dx

    machine.agree(call)


@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 5, 300), (70, 2, 1), (3, 1, 2)])
def test_tile(shape, machine):
    outer, _, columns = shape
    x, dy = draw(outer, columns), draw(*shape)

    def call(ops):
        y, dx = np.full_like(dy, np.nan), np.full_like(x, np.nan)
        ops.tile(x, y)
        ops.tile_backward(dy, dx)
        return y, dx

    machine.agree(call, 0, 0)


@pytest.mark.parametrize("top", [1, 3])
@pytest.mark.parametrize(
    "axis", [AxisSplit(2, 5, 3), AxisSplit(3, 40, 1), AxisSplit(1, 1100, 2)], ids=str
)
def test_largest(axis, top, machine):
    x = np.round(draw(axis.outer, axis.size, axis.inner), 1)  # many equals
    x[0, 2], x[0, 1, 0] = np.nan, -0.0

    def call(ops):
        shape = axis.outer, top, axis.inner
        both = np.full((axis.outer, 2, top, axis.inner), np.nan, np.float32)
        index, values = np.full((2, *shape), np.nan, np.float32)
        ops.largest(x, axis, both[:, 0], both[:, 1])  # views with gaps between
        ops.largest(x, axis, index, None)
        ops.largest(x, axis, None, values)
        return both, index, values

    machine.agree(call)


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((2, 3, 4), (2, 0, 1)),
        ((2, 3, 4, 5), (0, 2, 3, 1)),
        ((2, 35, 5, 9), (0, 2, 3, 1)),
        ((2, 5, 9, 35), (0, 3, 1, 2)),
        ((3, 2, 4, 6), (0, 2, 1, 3)),
        ((70, 33), (1, 0)),
        ((2, 1, 3, 1, 4), (4, 3, 2, 1, 0)),
        ((7,), (0,)),
        ((2, 0), (1, 0)),
    ],
)
def test_permute(shape, order, machine):
    x = draw(*shape)

    def call(ops):
        y = np.full([shape[axis] for axis in order], np.nan, np.float32)
        ops.permute(x, y, order)
        return [y]

    machine.agree(call)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_repeat(factor, machine):
    x, dy = draw(6, 3, 5), draw(6, 3 * factor, 5 * factor)

    def call(ops):
        y, dx = np.full_like(dy, np.nan), np.full_like(x, np.nan)
        ops.repeat(x, y, factor)
        ops.repeat_backward(dy, dx, factor)
        return y, dx

    machine.agree(call)


def test_unpool(machine):
    x, dy = draw(3, 40), draw(3, 70)
    place = RNG.integers(0, 70, x.shape).astype(np.float32)  # some of them twice

    def call(ops):
        y, dx = np.full_like(dy, np.nan), np.full_like(x, np.nan)
        ops.unpool(x, place, y)
        ops.unpool_backward(dy, place, dx)
        return y, dx

    machine.agree(call, 0, 0)


@pytest.mark.parametrize(
    ("outer", "columns", "width", "start"),
    [(2, 3, 9, 4), (3, 8, 24, 12), (1, 8, 8, 0), (4, 4, 10, 6), (2, 0, 5, 5)],
)
def test_blocks(outer, columns, width, start, machine):
    whole, part = draw(outer, width), draw(outer, columns)

    def call(ops):
        read, written = np.full_like(part, np.nan), whole.copy()
        ops.read_block(whole, read, outer, start)
        ops.write_block(part, written, outer, start)
        return read, written

    machine.agree(call, 0, 0)
