"""Sums and normalisation of rows: the reference by loops, the CPU by the reference."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.base import Term
from netspec.backends.cpu import CpuOps, threads
from netspec.backends.numpy_ops import NumpyOps

RNG = np.random.default_rng(21)
SHAPES = [(3, 5), (1, 1), (700, 9), (4, 100_003), (3, 1)]


@pytest.mark.parametrize("ops", [NumpyOps(), CpuOps()])
@pytest.mark.parametrize(
    ("term", "function", "slope"),
    [
        (Term.SUM, lambda x: x, lambda x: 1.0),
        (Term.ABSOLUTE, abs, np.sign),
        (Term.SQUARE, lambda x: x * x, lambda x: 2 * x),
    ],
)
def test_reduce_rows(term, function, slope, ops):
    x, dy = RNG.standard_normal((3, 4)), RNG.standard_normal(3)
    y, dx = np.empty(3), np.empty((3, 4))
    ops.reduce_rows(x, y, term, -0.7)
    ops.reduce_rows_backward(x, dy, dx, term, -0.7)
    for r in range(3):
        assert y[r] == pytest.approx(-0.7 * sum(map(function, x[r])))
        expected = [-0.7 * dy[r] * slope(v) for v in x[r]]
        np.testing.assert_allclose(dx[r], expected, rtol=1e-14)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("divides", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_normalize_rows(shape, divides, in_place):
    start, dy = (RNG.standard_normal(shape).astype(np.float32) for _ in range(2))
    start += 3
    results = []
    for ops in (NumpyOps(), CpuOps()):
        x, above = start.copy(), dy.copy()
        y, dx = (x, above) if in_place else (np.empty_like(x), np.empty_like(x))
        deviation = np.full(shape[0], np.nan, np.float32) if divides else None
        ops.normalize_rows(x, y, deviation, 0.1)
        ops.normalize_rows_backward(y, deviation, above, dx)
        results.append((y, dx, deviation))
    # the mean, 3, is known to float32's 2e-7, the deviation to 1e-7
    for expected, found in zip(*results):
        if expected is not None:
            np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)


def test_other_float_types_are_the_references():
    x = RNG.standard_normal((4, 9))
    results = []
    for ops in (NumpyOps(), CpuOps()):
        y, dx, deviation = np.empty_like(x), np.empty_like(x), np.empty(4)
        ops.normalize_rows(x, y, deviation, 0.1)
        ops.normalize_rows_backward(y, deviation, x, dx)
        results.append((y.tobytes(), dx.tobytes(), deviation.tobytes()))
    assert results[0] == results[1]


def test_the_number_of_threads_does_not_show():
    before, results = threads.count(), []
    x = np.random.default_rng(3).standard_normal((37, 90_001)).astype(np.float32)
    try:
        for number in (1, 2, 5):
            threads.set_count(number)
            y, deviation = np.empty_like(x), np.empty(37, np.float32)
            CpuOps().normalize_rows(x, y, deviation, 1e-9)
            results.append((y.tobytes(), deviation.tobytes()))
    finally:
        threads.set_count(before)
    assert results[0] == results[1] == results[2]
