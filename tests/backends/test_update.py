"""Update rules: the reference against formulas in float64, the compiled against it."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.cpu.update import CpuUpdateOps
from netspec.backends.reference.update import PIECE, Steps, UpdateOps

# Segments longer than a piece, short ones, and elements that belong to none.
STEPS = Steps(
    start=np.array([3, PIECE + 90, PIECE + 97]),
    stop=np.array([PIECE + 77, PIECE + 95, 2 * PIECE + 11]),
    rate=np.array([0.11, 0.23, 0.031]),
    l2=np.array([0.013, 0.0, 0.027]),
    l1=np.array([0.0, 0.041, 0.0]),
    scale=0.37,
)
SIZE = 2 * PIECE + 19
RULES = {
    "sgd": (1, (0.9,)),
    "nesterov": (1, (0.83,)),
    "adagrad": (1, (1e-3,)),
    "rmsprop": (1, (0.87, 1e-3)),
    "adadelta": (2, (0.92, 1e-3)),
    "adam": (2, (0.85, 0.96, 1e-3)),
    "adamw": (2, (0.85, 0.96, 1e-3)),
}


def arrays(dtype, histories):
    """Weights with zeros among them, a gradient, histories of at least 0."""
    draw = np.random.default_rng(11)
    w, g = draw.standard_normal((2, SIZE))
    w[::5] = 0
    return [a.astype(dtype) for a in (w, g, *draw.random((histories, SIZE)))]


def run(ops, name, dtype):
    histories, constants = RULES[name]
    w, g, *h = arrays(dtype, histories)
    getattr(ops, f"{name}_update")(w, g, *h, STEPS, *constants)
    return [w, g, *h]


def by_hand(name, w, g, rate, h, c):
    """One element or array of each rule, straight from its formula."""
    if name == "sgd":
        v = c[0] * h[0] + rate * g
        return w - v, v
    if name == "nesterov":
        v = c[0] * h[0] + rate * g
        return w - ((1 + c[0]) * v - c[0] * h[0]), v
    if name == "adagrad":
        s = h[0] + g**2
        return w - rate * g / (np.sqrt(s) + c[0]), s
    if name == "rmsprop":
        s = c[0] * h[0] + (1 - c[0]) * g**2
        return w - rate * g / (np.sqrt(s) + c[1]), s
    if name == "adadelta":
        s = c[0] * h[0] + (1 - c[0]) * g**2
        u = g * np.sqrt((h[1] + c[1]) / (s + c[1]))
        return w - rate * u, s, c[0] * h[1] + (1 - c[0]) * u**2
    m = c[0] * h[0] + (1 - c[0]) * g
    s = c[1] * h[1] + (1 - c[1]) * g**2
    return w - rate * m / (np.sqrt(s) + c[2]), m, s


@pytest.mark.parametrize("name", RULES)
def test_the_reference_is_the_formula(name):
    histories, constants = RULES[name]
    w, g, *h = arrays(np.float64, histories)
    found = run(UpdateOps(), name, np.float64)
    expected = [w.copy(), g.copy(), *(x.copy() for x in h)]
    for at, rate, l2, l1 in STEPS:
        decay = l2 * w[at] + l1 * np.sign(w[at])
        step, start = 0.37 * g[at] + decay, w[at]
        if name == "adamw":
            w2 = w[at] - l2 * w[at]
            step, start = 0.37 * g[at], w2 - l1 * np.sign(w2)
        new = by_hand(name, start, step, rate, [x[at] for x in h], constants)
        expected[0][at] = new[0]
        for history, values in zip(expected[2:], new[1:], strict=True):
            history[at] = values
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)


@pytest.mark.smoke
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", RULES)
def test_compiled_rules_give_the_references_bits(name, dtype):
    for a, b in zip(run(CpuUpdateOps(), name, dtype), run(UpdateOps(), name, dtype)):
        assert a.dtype == dtype
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("ops", [UpdateOps(), CpuUpdateOps()])
def test_elements_outside_the_segments_are_left_alone(ops):
    before = arrays(np.float32, 1)
    after = run(ops, "sgd", np.float32)
    outside = np.ones(SIZE, bool)
    for at, *_ in STEPS:
        outside[at] = False
    assert outside.sum() == 3 + 13 + 2 + 8
    for a, b in zip(after, before, strict=True):
        np.testing.assert_array_equal(a[outside], b[outside])


@pytest.mark.parametrize("ops", [UpdateOps(), CpuUpdateOps()])
@pytest.mark.parametrize("size", [1, PIECE, 2 * PIECE + 5])
def test_sum_of_squares(ops, size):
    x = np.random.default_rng(size).standard_normal(size).astype(np.float32)
    # float64 sums of float32 squares, which are exact in float64.
    assert ops.sum_squares(x) == pytest.approx(
        float((x.astype(float) ** 2).sum()), 1e-12
    )


@pytest.mark.parametrize("ops", [UpdateOps(), CpuUpdateOps()])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_all_finite_finds_one_bad_element_anywhere(ops, bad):
    x = np.zeros(2 * PIECE + 5, np.float32)
    assert ops.all_finite(x)
    for at in (0, PIECE, x.size - 1):
        x[:] = 3
        x[at] = bad
        assert not ops.all_finite(x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_average_of_weights(dtype):
    average, w, *_ = arrays(dtype, 0)
    found = average.copy()
    UpdateOps().average_update(found, w, 0.9375)
    # 1 - 0.9375 is exact; one rounding of each product and sum is left.
    exact = 0.9375 * average.astype(float) + 0.0625 * w.astype(float)
    np.testing.assert_allclose(found, exact, rtol=0, atol=8 * np.finfo(dtype).eps)
    compiled = average.copy()
    CpuUpdateOps().average_update(compiled, w, 0.9375)
    np.testing.assert_array_equal(compiled, found)
