"""The kernels' own exp and log against float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numba import njit

from netspec.backends.cpu import vector_math


def over(function: Callable) -> Callable[[np.ndarray], np.ndarray]:
    @njit(error_model="numpy")
    def kernel(x, y):  # type: ignore[no-untyped-def]
        for i in range(x.size):
            y[i] = function(x[i])

    def run(x: np.ndarray) -> np.ndarray:
        x = np.asarray(x, np.float32)
        y = np.empty_like(x)
        kernel(x, y)
        return y

    return run


EXP, LOG = over(vector_math.exp), over(vector_math.log)
SOFTPLUS, SIGMOID = over(vector_math.softplus), over(vector_math.sigmoid)
FAR = np.linspace(-87.3, 88.7, 200_001).astype(np.float32)
NEAR = np.linspace(-1, 1, 100_001).astype(np.float32)


def close(found: np.ndarray, expected: np.ndarray, relative: float) -> None:
    np.testing.assert_allclose(found, expected, rtol=relative, atol=1e-37)


@pytest.mark.parametrize("x", [FAR, NEAR])
def test_exp(x):
    close(EXP(x), np.exp(x.astype(float)), 1.2e-7)


@pytest.mark.parametrize("x", [np.exp(FAR.astype(float)), 1 + 0.45 * NEAR])
def test_log(x):
    x = np.asarray(x, np.float32)
    close(LOG(x), np.log(x.astype(float)), 1.2e-7)


@pytest.mark.parametrize("x", [FAR, NEAR])
def test_softplus_and_sigmoid(x):
    wide = x.astype(float)
    close(SOFTPLUS(x), np.logaddexp(wide, 0), 2.5e-7)
    close(SIGMOID(x), 1 / (1 + np.exp(-wide)), 2.5e-7)


INF, NAN = np.inf, np.nan


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (EXP, [-INF, -88, -0.0, 88.73, INF, NAN], [0, 0, 1, INF, INF, NAN]),
        (LOG, [-INF, -1, -0.0, 0, 1, INF, NAN], [NAN, NAN, -INF, -INF, 0, INF, NAN]),
        (SOFTPLUS, [-INF, 100, INF, NAN], [0, 100, INF, NAN]),
        (SIGMOID, [-INF, 0, 100, INF, NAN], [0, 0.5, 1, 1, NAN]),
    ],
)
def test_the_ends(function, x, expected):
    np.testing.assert_array_equal(function(x), np.array(expected, np.float32))
