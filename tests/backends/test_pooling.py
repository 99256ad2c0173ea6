"""Pooling operations against loops over windows and pixels, on every CPU backend."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.base import PoolingGeometry as Geometry
from netspec.backends.reference.pooling import LOWEST
from netspec.shapes import pooling_size
from tests.layers.harness import both_ops

OPS = {ops.name: ops for ops in both_ops()}


def geometry(batch, channels, image, kernel, stride, pad, ceil=True):
    axes = zip(image, kernel, stride, pad, strict=True)
    output = tuple(pooling_size(*axis, ceil, padded=any(pad)) for axis in axes)
    return Geometry(batch, channels, image, output, kernel, stride, pad)


CASES = {
    "2x2": geometry(2, 3, (8, 12), (2, 2), (2, 2), (0, 0)),
    "2x2_odd": geometry(2, 3, (9, 11), (2, 2), (2, 2), (0, 0)),
    "2x2_odd_floor": geometry(2, 3, (9, 11), (2, 2), (2, 2), (0, 0), ceil=False),
    "2x2_pad": geometry(1, 2, (7, 10), (2, 2), (2, 2), (1, 1)),
    "2x2_wide": geometry(1, 2, (6, 140), (2, 2), (2, 2), (0, 0)),
    "2x2_other_step_down": geometry(1, 2, (9, 13), (2, 2), (3, 2), (0, 1)),
    "3x3_by_1": geometry(2, 3, (7, 40), (3, 3), (1, 1), (1, 1)),
    "3x3_by_2": geometry(2, 3, (11, 75), (3, 3), (2, 2), (0, 0)),
    "3x3_by_2_pad": geometry(3, 2, (10, 13), (3, 3), (2, 2), (1, 2)),
    "3x3_by_3": geometry(3, 2, (10, 14), (3, 3), (3, 3), (0, 0)),
    "rectangle": geometry(2, 3, (9, 11), (2, 4), (1, 3), (1, 2)),
    "global": geometry(3, 4, (5, 7), (5, 7), (1, 1), (0, 0)),
    "covers_all": geometry(3, 4, (3, 4), (5, 7), (1, 1), (1, 2), ceil=False),
    "larger_than_image": geometry(2, 3, (4, 6), (5, 7), (2, 2), (0, 0)),
    "one_by_one": geometry(2, 3, (7, 9), (1, 1), (2, 4), (0, 0)),
    "many_places": geometry(1, 2, (20, 23), (17, 16), (2, 3), (2, 1)),
    "many_tasks": geometry(5, 70, (13, 17), (3, 2), (2, 3), (1, 0)),
}


def drawn(g: Geometry, dtype, seed=3):
    """x with many exact ties, y's gradient, and empty outputs."""
    rng = np.random.default_rng(seed)
    x = np.round(2 * rng.standard_normal((g.batch, g.channels, *g.input))) / 2
    dy = rng.standard_normal((g.batch, g.channels, *g.output))
    empty = np.full(dy.shape, np.nan, dtype), np.full(x.shape, np.nan, dtype)
    return x.astype(dtype), dy.astype(dtype), *empty


def index_like(y: np.ndarray, g: Geometry) -> np.ndarray:
    wide = g.kernel[0] * g.kernel[1] > 255
    return np.zeros(y.shape, np.int32 if wide else np.uint8)


def windows(g: Geometry):
    """Each output place, the pixels of its window, and its area with the padding."""
    for out in np.ndindex(*g.output):
        start = [o * s - p for o, s, p in zip(out, g.stride, g.pad, strict=True)]
        ends = zip(start, g.kernel, g.input, g.pad, strict=True)
        stop = [min(a + k, n + p) for a, k, n, p in ends]
        area = (stop[0] - start[0]) * (stop[1] - start[1])
        pixels = [
            (h, w)
            for h in range(start[0], stop[0])
            for w in range(start[1], stop[1])
            if 0 <= h < g.input[0] and 0 <= w < g.input[1]
        ]
        yield out, pixels, area


def naive_maximum(x, dy, g):
    """y, Caffe's mask and dx."""
    y, mask, dx = np.zeros(dy.shape), np.zeros(dy.shape, int), np.zeros(x.shape)
    for n, c in np.ndindex(*x.shape[:2]):
        for out, pixels, _ in windows(g):
            best = max(pixels, key=lambda at: x[(n, c, *at)])
            y[(n, c, *out)] = x[(n, c, *best)]
            mask[(n, c, *out)] = best[0] * g.input[1] + best[1]
            dx[(n, c, *best)] += dy[(n, c, *out)]
    return y, mask, dx


def naive_average(x, dy, g):
    """y and dx."""
    y, dx = np.zeros(dy.shape), np.zeros(x.shape)
    for n, c in np.ndindex(*x.shape[:2]):
        for out, pixels, area in windows(g):
            y[(n, c, *out)] = sum(float(x[(n, c, *at)]) for at in pixels) / area
            for at in pixels:
                dx[(n, c, *at)] += dy[(n, c, *out)] / area
    return y, dx


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ops", OPS.values(), ids=OPS)
@pytest.mark.parametrize("g", CASES.values(), ids=CASES)
def test_maximum_against_loops(g, ops, dtype):
    x, dy, y, dx = drawn(g, dtype)
    index, mask = index_like(y, g), y.copy()
    expected_y, expected_mask, expected_dx = naive_maximum(x, dy, g)
    ops.max_pool(x, y, index, g)
    np.testing.assert_array_equal(y, expected_y)
    ops.max_pool_mask(index, mask, g)
    np.testing.assert_array_equal(mask, expected_mask)
    ops.max_pool_backward(dy, index, dx, g)
    # Windows overlap in up to 80 outputs, whose sum float32 rounds that many times.
    np.testing.assert_allclose(dx, expected_dx, rtol=1e-5, atol=1e-5)
    y.fill(np.nan)
    ops.max_pool(x, y, None, g)
    np.testing.assert_array_equal(y, expected_y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ops", OPS.values(), ids=OPS)
@pytest.mark.parametrize("g", CASES.values(), ids=CASES)
def test_average_against_loops(g, ops, dtype):
    x, dy, y, dx = drawn(g, dtype)
    expected_y, expected_dx = naive_average(x, dy, g)
    ops.average_pool(x, y, g)
    np.testing.assert_allclose(y, expected_y, rtol=1e-5, atol=1e-6)
    ops.average_pool_backward(dy, dx, g)
    np.testing.assert_allclose(dx, expected_dx, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ops", OPS.values(), ids=OPS)
def test_windows_beyond_the_image(ops):
    """A stride above the kernel, rounded up without padding: the last windows hold
    nothing.  Caffe's maximum is then the least float32, its average 0 / 0."""
    g = geometry(2, 3, (6, 9), (2, 2), (3, 5), (0, 0))
    assert g.output == (3, 3)
    x, dy, y, dx = drawn(g, np.float32)
    index, mask = index_like(y, g), y.copy()
    ops.max_pool(x, y, index, g)
    ops.max_pool_mask(index, mask, g)
    ops.max_pool_backward(dy, index, dx, g)
    for part in (np.s_[..., 2, :], np.s_[..., :, 2]):
        assert (y[part] == LOWEST).all()
        assert (index[part] == 4).all()
        assert (mask[part] == -1).all()
    np.testing.assert_allclose(dx.sum(), dy[..., :2, :2].sum(), rtol=1e-5)
    ops.average_pool(x, y, g)
    assert np.isnan(y[..., 2, :]).all()
    assert np.isfinite(y[..., :2, :2]).all()
    ops.average_pool_backward(dy, dx, g)
    np.testing.assert_allclose(dx.sum(), dy[..., :2, :2].sum(), rtol=1e-5)


@pytest.mark.parametrize("ops", OPS.values(), ids=OPS)
@pytest.mark.parametrize("name", ["2x2", "3x3_by_1", "3x3_by_2", "rectangle"])
def test_not_a_number_is_never_a_maximum(ops, name):
    """As in Caffe; a window of nothing else gives the least float32 and no gradient."""
    g = CASES[name]
    x, dy, y, dx = drawn(g, np.float32)
    x[0, 1] = np.nan
    x[1, 0, 3, 4] = np.nan
    index = index_like(y, g)
    ops.max_pool(x, y, index, g)
    assert (y[0, 1] == LOWEST).all()
    assert (index[0, 1] == g.kernel[0] * g.kernel[1]).all()
    assert (y[1, 0] > LOWEST).all()
    ops.max_pool_backward(dy, index, dx, g)
    assert (dx[0, 1] == 0).all()
    assert dx[1, 0, 3, 4] == 0
