"""Rows by index, copies, parts and largest values: the CPU against the reference."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.base import AxisSplit
from netspec.backends.cpu import CpuOps, threads
from netspec.backends.numpy_ops import NumpyOps

RNG = np.random.default_rng(33)
BOTH = [NumpyOps(), CpuOps()]


def draw(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("ops", BOTH)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("rows", "columns", "taken"), [(5, 3, 9), (4, 1, 2), (300, 200, 4000), (3, 130, 0)]
)
@pytest.mark.parametrize("number", [np.float32, np.int64])
def test_rows_are_taken_and_added(rows, columns, taken, dtype, number, ops):
    x, dy = draw(rows, columns).astype(dtype), draw(taken, columns).astype(dtype)
    bias = draw(columns).astype(dtype)
    index = RNG.integers(0, rows, taken).astype(number)
    y, dx = np.full((taken, columns), np.nan, dtype), np.ones_like(x)
    ops.take_rows(x, index, y)
    plain = y.copy()
    ops.take_rows(x, index, y, bias)
    ops.add_rows(dy, index, dx)
    expected = np.zeros_like(x)
    for m, row in enumerate(index.astype(int)):
        np.testing.assert_array_equal(plain[m], x[row])
        np.testing.assert_array_equal(y[m], x[row] + bias)
        expected[row] += dy[m]
    np.testing.assert_array_equal(dx, 1 + expected)  # sums are complete before


@pytest.mark.parametrize("ops", BOTH)
@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 5, 3000), (70, 2, 1), (3, 1, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tile(shape, dtype, ops):
    outer, tiles, columns = shape
    x, dy = draw(outer, columns).astype(dtype), draw(*shape).astype(dtype)
    y, dx = np.full(shape, np.nan, dtype), np.full_like(x, np.nan)
    ops.tile(x, y)
    ops.tile_backward(dy, dx)
    expected = np.zeros_like(x)
    for t in range(tiles):
        np.testing.assert_array_equal(y[:, t], x)
        expected += dy[:, t]
    np.testing.assert_array_equal(dx, expected)


@pytest.mark.parametrize("ops", BOTH)
def test_kept_rows(ops):
    index = np.full(6, -1)
    kept = ops.kept_rows(np.array([0, 1, -0.0, np.nan, 0, -2], np.float32), index)
    assert (kept, index.tolist()) == (3, [1, 3, 5, -1, -1, -1])
    assert ops.kept_rows(np.zeros(6, np.float32), index) == 0


@pytest.mark.parametrize("ops", BOTH)
def test_crop(ops):
    x, y = draw(3, 5, 6), np.empty((3, 2, 4), np.float32)
    ops.crop(x, y, (0, 2, 1))
    np.testing.assert_array_equal(y, x[:, 2:4, 1:5])
    dx = np.full_like(x, np.nan)
    ops.crop_backward(y, dx, (0, 2, 1))
    np.testing.assert_array_equal(dx[:, 2:4, 1:5], y)
    assert np.count_nonzero(dx) == y.size


@pytest.mark.parametrize("ops", BOTH)
def test_largest_of_equals_and_of_what_is_no_number(ops):
    x = np.array([[2, 7, 7, np.nan, 1]], np.float32)
    index, values = np.empty((1, 4, 1)), np.empty((1, 4, 1), np.float32)
    ops.largest(x, AxisSplit(1, 5, 1), index, values)
    assert index.reshape(-1).tolist() == [3, 2, 1, 0]
    np.testing.assert_array_equal(values.reshape(-1), [np.nan, 7, 7, 2])
    ops.largest(x, AxisSplit(5, 1, 1), None, values := np.empty((5, 1, 1)))
    np.testing.assert_array_equal(values.reshape(-1), x[0])


def test_the_number_of_threads_does_not_show():
    before, results = threads.count(), []
    dy, index = draw(9000, 257), RNG.integers(0, 50, 9000)
    try:
        for number in (1, 2, 5):
            threads.set_count(number)
            dx = np.zeros((50, 257), np.float32)
            CpuOps().add_rows(dy, index, dx)
            results.append(dx.tobytes())
    finally:
        threads.set_count(before)
    assert results[0] == results[1] == results[2]
