"""Batch normalisation operations against the formulas in float64."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.cpu.threads import count, set_count
from tests.layers.harness import both_ops

OPS = {ops.name: ops for ops in both_ops()}
SHAPES = [(4, 3, 5, 7), (6, 5), (3, 2, 40), (70, 3, 2, 3), (100, 9)]
EPS = 0.02


def drawn(shape, dtype=np.float32, seed=6):
    """x whose channels differ in mean and scale, and y's gradient."""
    rng = np.random.default_rng(seed)
    spread = (1 + np.arange(shape[1])).reshape(1, -1, *(1,) * (len(shape) - 2))
    x = spread * rng.standard_normal(shape) + 3 * spread
    return x.astype(dtype), rng.standard_normal(shape).astype(dtype)


def over(shape):
    """The axes of one channel."""
    return (0, *range(2, len(shape)))


def empty(channels, dtype=np.float32):
    return np.full(channels, np.nan, dtype), np.full(channels, np.nan, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ops", OPS.values(), ids=OPS)
@pytest.mark.parametrize("shape", SHAPES)
def test_forward_and_backward(shape, ops, dtype):
    x, dy = drawn(shape, dtype)
    mean, variance = empty(shape[1], dtype)
    y, copy, dx = (np.full(shape, np.nan, dtype) for _ in range(3))
    ops.channel_statistics(x, mean, variance)
    ops.batch_norm(x, mean, variance, EPS, y, copy)
    ops.batch_norm_backward(x, mean, variance, EPS, dy, dx)

    wide, gradient = x.astype(np.float64), dy.astype(np.float64)
    keep = {"axis": over(shape), "keepdims": True}
    deviation = np.sqrt(wide.var(**keep) + EPS)
    z = (wide - wide.mean(**keep)) / deviation
    slope = gradient - gradient.mean(**keep) - z * (gradient * z).mean(**keep)
    error = 1e-5 if dtype == np.float32 else 1e-10  # means near 3 times the deviation
    np.testing.assert_allclose(mean, wide.mean(over(shape)), rtol=error)
    np.testing.assert_allclose(variance, wide.var(over(shape)), rtol=error)
    np.testing.assert_allclose(y, z, rtol=error, atol=error)
    np.testing.assert_array_equal(copy, y)
    np.testing.assert_allclose(dx, slope / deviation, rtol=error, atol=error)


@pytest.mark.parametrize("ops", OPS.values(), ids=OPS)
def test_in_place(ops):
    """y over x, dx over dy, and the gradient from normalised values."""
    x, dy = drawn(SHAPES[0])
    mean, variance = empty(3)
    ops.channel_statistics(x, mean, variance)
    y, dx = np.empty_like(x), np.empty_like(x)
    ops.batch_norm(x, mean, variance, EPS, y)
    ops.batch_norm_backward(x, mean, variance, EPS, dy, dx)
    ops.batch_norm(x, mean, variance, EPS, x)
    np.testing.assert_array_equal(x, y)
    ops.batch_norm_backward(y, None, variance, EPS, dy, dy)
    np.testing.assert_allclose(dy, dx, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("ops", OPS.values(), ids=OPS)
def test_means_far_from_zero(ops):
    """A mean 1000 deviations away: what float32 x tell, the statistics keep."""
    rng = np.random.default_rng(7)
    x = (1000 + rng.standard_normal((5, 2, 30, 31))).astype(np.float32)
    mean, variance = empty(2)
    ops.channel_statistics(x, mean, variance)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean((0, 2, 3)), rtol=1e-7)
    np.testing.assert_allclose(variance, exact.var((0, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize("ops", OPS.values(), ids=OPS)
def test_constant_channels_have_no_variance(ops):
    x = np.full((3, 2, 5, 7), 0.1, np.float32)
    mean, variance = empty(2)
    ops.channel_statistics(x, mean, variance)
    np.testing.assert_allclose(variance, 0, atol=1e-12)
    assert (variance >= 0).all()


@pytest.mark.parametrize("ops", OPS.values(), ids=OPS)
def test_gradient_with_stored_statistics(ops):
    _, dy = drawn(SHAPES[0])
    variance = np.array([0.5, 1.5, 4.0], np.float32)
    expected = dy / np.sqrt(variance + EPS).reshape(1, 3, 1, 1)
    dx = np.empty_like(dy)
    ops.batch_norm_backward_stored(variance, EPS, dy, dx)
    np.testing.assert_allclose(dx, expected, rtol=1e-6)
    ops.batch_norm_backward_stored(variance, EPS, dy, dy)
    np.testing.assert_array_equal(dy, dx)


@pytest.mark.parametrize("ops", OPS.values(), ids=OPS)
def test_stored_sums(ops):
    stored = [np.array(v, np.float32) for v in ([1.0, -2.0], [3.0, 4.0], [2.0])]
    mean, variance = np.array([0.5, 0.25], np.float32), np.array([1.0, 8.0], np.float32)
    ops.accumulate_statistics(mean, variance, stored, 0.75, 5)
    np.testing.assert_allclose(stored[0], [1.25, -1.25])
    np.testing.assert_allclose(stored[1], [3 * 0.75 + 1.25, 4 * 0.75 + 10])
    np.testing.assert_allclose(stored[2], [2.5])
    ops.stored_statistics(stored, mean, variance)
    np.testing.assert_allclose(mean, [0.5, -0.5])
    np.testing.assert_allclose(variance, stored[1] / 2.5)


@pytest.mark.parametrize("ops", OPS.values(), ids=OPS)
def test_one_value_has_no_bias_to_correct(ops):
    stored = [np.zeros(1, np.float32) for _ in range(3)]
    one = np.ones(1, np.float32)
    ops.accumulate_statistics(one, one, stored, 0.9, 1)
    assert stored[1][0] == 1


@pytest.mark.parametrize("ops", OPS.values(), ids=OPS)
def test_factor_zero_means_statistics_zero(ops):
    stored = [np.full(n, 7, np.float32) for n in (2, 2, 1)]
    stored[2][0] = 0
    mean, variance = empty(2)
    ops.stored_statistics(stored, mean, variance)
    assert (mean == 0).all()
    assert (variance == 0).all()


@pytest.mark.parametrize("shape", [(70, 3, 31, 33), (300, 700)])
def test_sums_do_not_depend_on_threads(shape):
    x, dy = drawn(shape)
    before, found = count(), []
    try:
        for threads in (1, 2, 3):
            set_count(threads)
            mean, variance = empty(shape[1])
            dx = np.empty_like(x)
            OPS["cpu"].channel_statistics(x, mean, variance)
            OPS["cpu"].batch_norm_backward(x, mean, variance, EPS, dy, dx)
            found.append((mean.tobytes(), variance.tobytes(), dx.tobytes()))
    finally:
        set_count(before)
    assert found[0] == found[1] == found[2]
