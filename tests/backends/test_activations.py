"""The CPU's activations against the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netspec.backends.cpu import CpuOps, threads
from netspec.backends.cpu.threads import LEAST_WORK
from netspec.backends.numpy_ops import NumpyOps

SMALL = (3, 5, 7)
LARGE = (
    3,
    7,
    LEAST_WORK // 14 + 3,
)  # threads, and a short last chunk
RNG = np.random.default_rng(16)

# Number of inputs; the call, whose last array is written and may be the one before.
CALLS: dict[str, tuple[int, Callable[..., Any]]] = {
    "softplus": (1, lambda ops, a: ops.softplus(*a)),
    "softplus backward": (2, lambda ops, a: ops.softplus_backward(abs(a[0]), *a[1:])),
    "clip": (1, lambda ops, a: ops.clip(*a, -0.5, 0.7)),
    "clip backward": (2, lambda ops, a: ops.clip_backward(*a, -0.5, 0.7)),
    "elu": (1, lambda ops, a: ops.elu(*a, 0.3)),
    "elu backward": (2, lambda ops, a: ops.elu_backward(a[0], *a, 0.3)),
    "exponential": (1, lambda ops, a: ops.exponential(*a, 0.7, 1.3)),
    "logarithm": (1, lambda ops, a: ops.logarithm(*a, 0.2, 4.0, 1.3)),
    "swish": (1, lambda ops, a: ops.swish(*a, 1.3)),
    "swish backward": (2, lambda ops, a: ops.swish_backward(*a, 1.3)),
    "relu": (1, lambda ops, a: ops.relu(*a, 0.2)),
    "relu backward": (2, lambda ops, a: ops.relu_backward(*a, 0.2)),
    "absolute": (1, lambda ops, a: ops.absolute(*a)),
    "absolute backward": (2, lambda ops, a: ops.absolute_backward(*a)),
    "exponential backward": (2, lambda ops, a: ops.exponential_backward(*a, 0.7)),
    "logarithm backward": (
        2,
        lambda ops, a: ops.logarithm_backward(a[0], *a[1:], 0.2, 4.0, 1.3),
    ),
    "threshold": (1, lambda ops, a: ops.threshold(*a, 0.5)),
}


def draw(shape: tuple[int, ...], number: int) -> list[np.ndarray]:
    """float32 arrays with zeros, limits and equal values among them."""
    arrays = [np.round(RNG.standard_normal(shape), 1) for _ in range(number)]
    return [np.array(a, np.float32) for a in arrays]


def run(ops: NumpyOps, name: str, given: list[np.ndarray], in_place: bool = False):  # type: ignore[no-untyped-def]
    given = [a.copy() for a in given]
    y = given[-1] if in_place else np.full_like(given[0], np.nan)
    CALLS[name][1](ops, [*given, y])
    return y


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("shape", [SMALL, LARGE, (), (0, 3)])
@pytest.mark.parametrize("name", CALLS)
def test_kernels_are_close_to_the_reference(name, shape, in_place):
    given = draw(shape, CALLS[name][0])
    found = run(CpuOps(), name, given, in_place)
    # exp and log are good to 1e-7, what is left of 1 - exp(-y) or exp(x) - 1 to 6e-8
    expected = run(NumpyOps(), name, given)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=3e-7)


@pytest.mark.parametrize("name", CALLS)
def test_other_float_types_are_the_references(name):
    given = [a.astype(np.float64) / 3 for a in draw(SMALL, CALLS[name][0])]
    found, expected = run(CpuOps(), name, given), run(NumpyOps(), name, given)
    np.testing.assert_array_equal(found, expected)


def test_neither_hides_what_is_no_number():
    x = np.array([np.nan, np.inf, -np.inf, 1], np.float32)
    for name in (
        "softplus",
        "clip",
        "elu",
        "exponential",
        "logarithm",
        "swish",
        "relu",
    ):
        found, expected = run(CpuOps(), name, [x]), run(NumpyOps(), name, [x])
        np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=name)
        assert np.isnan(found[0]), name


PRELU_SHAPES = [
    (3, 4, 5),
    (70, 3, 1),
    (2, 1300, 1),
    (1, 1, 9),
    (5, 2, LEAST_WORK // 6),
    (0, 3, 2),
]


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("shape", PRELU_SHAPES)
def test_prelu(shape, in_place):
    x, dy = draw(shape, 2)
    slope = RNG.standard_normal(shape[1]).astype(np.float32)
    results = []
    for ops in (NumpyOps(), CpuOps()):
        y, dx = (x.copy(), dy.copy()) if in_place else (x * np.nan, x * np.nan)
        dslope = np.ones_like(slope)
        ops.prelu(y if in_place else x, slope, y)
        ops.prelu_gradient(x, dy, dslope)
        ops.prelu_backward(x, slope, dx if in_place else dy, dx)
        results.append((y, dx, dslope))
    (y, dx, dslope), found = results
    np.testing.assert_array_equal(found[0], y)
    np.testing.assert_array_equal(found[1], dx)
    scale = np.abs(dslope).max(initial=1)
    np.testing.assert_allclose(found[2], dslope, rtol=1e-6, atol=1e-6 * scale)


def test_the_number_of_threads_does_not_show():
    before, results = threads.count(), []
    x, dy = (
        np.random.default_rng(2).standard_normal((2, 40, 9, 5000)).astype(np.float32)
    )
    slope = np.linspace(-1, 1, 9, dtype=np.float32)
    try:
        for number in (1, 2, 5):
            threads.set_count(number)
            y, dslope = np.empty_like(x), np.zeros_like(slope)
            CpuOps().softplus(x, y)
            CpuOps().prelu_gradient(x, dy, dslope)
            results.append((y.tobytes(), dslope.tobytes()))
    finally:
        threads.set_count(before)
    assert results[0] == results[1] == results[2]
