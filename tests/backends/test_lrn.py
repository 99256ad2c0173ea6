"""Local response normalisation against loops and float64, on every CPU backend."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.base import LrnWindow
from tests.layers.harness import both_ops

OPS = {ops.name: ops for ops in both_ops()}
REGIONS = ("across", "within")
SHAPE = (2, 7, 9, 11)
WINDOWS = {
    "alexnet": LrnWindow(5, 1e-4, 0.75, 1.0),
    "strong": LrnWindow(3, 1.2, 0.75, 2.5),
    "other_beta": LrnWindow(3, 0.7, 0.6, 1.3),
    "one": LrnWindow(1, 0.9, 0.55, 0.4),
    "wider_than_all": LrnWindow(25, 1.4, 0.75, 1.7),
}


def naive(x, dy, window, region):
    """y, and dx as the gradient of Σ y dy, one value at a time."""
    x, dy = x.astype(np.float64), dy.astype(np.float64)
    axes = 1 if region == "across" else 2
    half, s = window.size // 2, np.empty(x.shape)
    share = window.alpha / window.size**axes
    for at in np.ndindex(*x.shape):
        s[at] = window.k + share * (x[_around(at, half, region)] ** 2).sum()
    dx = dy * s**-window.beta
    term = dy * x * s ** (-window.beta - 1)
    for at in np.ndindex(*x.shape):
        total = term[_around(at, half, region)].sum()
        dx[at] -= 2 * share * window.beta * x[at] * total
    return x * s**-window.beta, dx


def _around(at, half, region):
    n, c, h, w = at
    if region == "across":
        return n, slice(max(0, c - half), c + half + 1), h, w
    rows, columns = (slice(max(0, i - half), i + half + 1) for i in (h, w))
    return n, c, rows, columns


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ops", OPS.values(), ids=OPS)
@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
@pytest.mark.parametrize("region", REGIONS)
def test_against_loops(region, window, ops, dtype):
    rng = np.random.default_rng(4)
    x, dy = (3 * rng.standard_normal(SHAPE).astype(dtype) for _ in range(2))
    y, dx = np.full_like(x, np.nan), np.full_like(x, np.nan)
    expected_y, expected_dx = naive(x, dy, window, region)
    getattr(ops, f"lrn_{region}")(x, y, window)
    getattr(ops, f"lrn_{region}_backward")(x, dy, dx, window)
    # A dozen float32 roundings, in a power and a difference of like terms.
    error = 2e-6 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(y, expected_y, rtol=error, atol=error)
    np.testing.assert_allclose(dx, expected_dx, rtol=5 * error, atol=5 * error)


@pytest.mark.parametrize("beta", [0.75, 0.7])
@pytest.mark.parametrize("region", REGIONS)
def test_images_of_several_strips(region, beta):
    """Strips and workspaces of the compiled kernels against the reference."""
    rng = np.random.default_rng(5)
    window = LrnWindow(5, 0.3, beta, 1.5)
    x, dy = rng.standard_normal((2, 3, 9, 37, 61)).astype(np.float32)
    found, expected = np.empty((2, 2, *x.shape), np.float32)
    for ops, (y, dx) in ((OPS["cpu"], found), (OPS["numpy"], expected)):
        getattr(ops, f"lrn_{region}")(x, y, window)
        getattr(ops, f"lrn_{region}_backward")(x, dy, dx, window)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("ops", OPS.values(), ids=OPS)
def test_squares_that_overflow(ops):
    """What is divided by too large a sum is next to nothing, not NaN."""
    x = np.full((1, 3, 2, 20), 1e25, np.float32)
    y, dx = np.full_like(x, np.nan), np.full_like(x, np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        ops.lrn_across(x, y, WINDOWS["alexnet"])
    assert (np.abs(y) < 1e-3).all()
    x[0, 1, 1, 3] = np.nan
    with np.errstate(over="ignore", invalid="ignore"):
        ops.lrn_across(x, y, WINDOWS["alexnet"])
        ops.lrn_across_backward(x, x, dx, WINDOWS["alexnet"])
    assert np.isnan(y).sum() == 3
    assert np.isnan(dx[0, 1, 1, 3])
