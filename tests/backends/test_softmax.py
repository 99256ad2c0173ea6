"""The reference against plain loops over every place, in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest

from netspec.backends.base import AxisSplit
from netspec.backends.cpu import CpuOps
from netspec.backends.numpy_ops import NumpyOps

RNG = np.random.default_rng(12)
AXIS = AxisSplit(outer=3, size=4, inner=5)
X = RNG.standard_normal((3, 4, 5)) * 2
LABELS = RNG.integers(0, 4, (3, 5)).astype(float)
PLACES = list(np.ndindex(3, 5))
OPS = NumpyOps()


def prob_of(scores: np.ndarray) -> np.ndarray:
    out = np.empty_like(scores)
    for o, i in PLACES:
        e = [math.exp(v) for v in scores[o, :, i]]
        out[o, :, i] = [v / sum(e) for v in e]
    return out


def test_places():
    assert AXIS.places == 15


@pytest.mark.parametrize("in_place", [False, True])
def test_softmax_and_its_gradient(in_place):
    x, dy = X.copy(), RNG.standard_normal(X.shape)
    y = x if in_place else np.empty_like(x)
    OPS.softmax(x, y, AXIS)
    np.testing.assert_allclose(y, prob_of(X), rtol=1e-13)
    slope = dy.copy()
    dx = slope if in_place else np.empty_like(slope)
    OPS.softmax_backward(y, slope, dx, AXIS)
    for o, i in PLACES:
        p = y[o, :, i]
        jacobian = np.diag(p) - np.outer(p, p)
        np.testing.assert_allclose(dx[o, :, i], jacobian @ dy[o, :, i], atol=1e-14)


@pytest.mark.parametrize("ignore", [None, 2])
@pytest.mark.parametrize("divisor", [None, 7.0])
def test_loss_and_its_gradient(ignore, divisor):
    prob, loss, dx = np.empty_like(X), np.empty(()), np.empty_like(X)
    OPS.softmax_loss(X, LABELS, prob, loss, AXIS, ignore, divisor)
    OPS.softmax_loss_backward(prob, LABELS, np.array(1.3), dx, AXIS, ignore, divisor)
    counted = [(o, i) for o, i in PLACES if LABELS[o, i] != ignore]
    by = divisor or len(counted)
    p = prob_of(X)
    expected = -sum(math.log(p[o, int(LABELS[o, i]), i]) for o, i in counted) / by
    assert loss == pytest.approx(expected, rel=1e-13)
    slope = np.zeros_like(X)
    for o, i in counted:
        slope[o, :, i] = p[o, :, i] * 1.3 / by
        slope[o, int(LABELS[o, i]), i] -= 1.3 / by
    np.testing.assert_allclose(dx, slope, atol=1e-15)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("labels", "ignore", "at"),
    [
        ([0.0, 3.0, 2.0], None, -1),
        ([0.0, 4.0, -1.0], None, 1),
        ([0.0, 4.0, -1.0], 4, 2),
        ([0.0, -1.0, np.nan], -1, 2),
        ([-0.5, 3.5, 2.0], None, -1),  # cut towards 0, as a C cast does
        ([np.inf], 3, 0),
    ],
)
def test_first_bad_label(labels, ignore, at):
    assert OPS.first_bad_label(np.array(labels), 4, ignore) == at
    assert CpuOps().first_bad_label(np.float32(labels), 4, ignore) == at


@pytest.mark.parametrize("top_k", [1, 3])
@pytest.mark.parametrize("ignore", [None, 1])
def test_accuracy(top_k, ignore):
    x = np.round(X)  # many ties
    share, per_class = np.empty(()), np.empty(4)
    OPS.accuracy(x, LABELS, share, per_class, AXIS, top_k, ignore, shards=2)
    right, seen = np.zeros(4), np.zeros(4)
    for o, i in PLACES:
        c = int(LABELS[o, i])
        if c != ignore:
            seen[c] += 1
            right[c] += sum(v >= x[o, c, i] for v in x[o, :, i]) <= top_k
    assert share == pytest.approx(right.sum() / seen.sum() / 2)
    np.testing.assert_allclose(per_class, right / np.maximum(seen, 1))


def test_the_cpu_agrees_in_float32():
    x, found, expected = (np.float32(X), *np.empty((2, *X.shape), np.float32))
    CpuOps().softmax(x, found, AXIS)
    OPS.softmax(x, expected, AXIS)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("classes", [1, 10, 37, 1000])
@pytest.mark.parametrize("ignore", [None, 0])
@pytest.mark.parametrize("divisor", [None, 7.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_rows_on_the_cpu(classes, ignore, divisor, smoothing):
    rng = np.random.default_rng(classes)
    axis = AxisSplit(41, classes, 1)
    x = np.float32(rng.standard_normal((41, classes)) * 20)
    x[7], x[8, 0] = -np.inf, np.nan
    x[9], x[10, 0] = -200, np.inf
    labels = np.float32(rng.integers(0, classes, 41))
    dloss, results = np.float32([1.3]), []
    for ops in (OPS, CpuOps()):
        prob, dx, loss = np.empty_like(x), np.empty_like(x), np.empty((), np.float32)
        finite = np.where(np.isfinite(x), x, 1)
        ops.softmax_loss(finite, labels, prob, loss, axis, ignore, divisor, smoothing)
        ops.softmax_loss_backward(
            prob, labels, dloss, dx, axis, ignore, divisor, smoothing
        )
        every = np.empty_like(x)
        ops.softmax(x, every, axis)
        results.append((prob, loss, dx, every))
    for found, wanted in zip(*results[::-1], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=1e-7)
