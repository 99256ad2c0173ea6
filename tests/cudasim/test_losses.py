"""The other losses, each with its gradient, against the reference."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.base import AxisSplit

RNG = np.random.default_rng(14)
DLOSS = np.array(1.3, np.float32)


def draw(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def scalar():
    return np.full((), np.nan, np.float32)


@pytest.mark.parametrize("shape", [(3, 7), (2, 4500), (5, 1)])
def test_squared_distance(shape, machine):
    a, b = draw(*shape), draw(*shape)

    def call(ops):
        total, da = scalar(), np.full_like(a, np.nan)
        ops.squared_distance(a, b, total, 0.3)
        ops.squared_distance_backward(a, b, DLOSS, da, 0.3)
        return total, da

    machine.agree(call)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("shape", [(7, 5), (3, 1100)])
def test_contrastive(shape, legacy, machine):
    a, b = draw(*shape), draw(*shape)
    a[1] = b[1]
    similar = np.arange(len(a), dtype=np.float32) % 3 * 0.6  # 0, 0.6 and 1.2
    about = 40.0 if legacy else 3.0, legacy, 0.7

    def call(ops):
        loss, da = scalar(), np.full_like(a, np.nan)
        ops.contrastive_loss(a, b, similar, loss, *about)
        ops.contrastive_loss_backward(a, b, similar, DLOSS, da, *about)
        return loss, da

    machine.agree(call)


@pytest.mark.parametrize("squares", [False, True])
def test_hinge(squares, machine):
    x, labels = draw(7, 5), RNG.integers(0, 5, 7).astype(np.float32)

    def call(ops):
        loss, dx = scalar(), np.full_like(x, np.nan)
        ops.hinge_loss(x, labels, loss, squares, 0.7)
        ops.hinge_loss_backward(x, labels, DLOSS, dx, squares, 0.7)
        return loss, dx

    machine.agree(call)


def test_log_loss(machine):
    p, labels = RNG.random((7, 5)).astype(np.float32), np.arange(7) % 5
    p[2, 2] = 0

    def call(ops):
        loss, dp = scalar(), np.full_like(p, np.nan)
        at = labels.astype(np.float32)
        ops.log_loss(p, at, loss, 0.7)
        ops.log_loss_backward(p, at, DLOSS, dp, 0.7)
        return loss, dp

    machine.agree(call)


@pytest.mark.parametrize("divisor", [None, 7.0])
@pytest.mark.parametrize("ignore", [None, 1])
@pytest.mark.parametrize("axis", [AxisSplit(5, 4, 1), AxisSplit(2, 3, 7)], ids=str)
def test_infogain(axis, ignore, divisor, machine):
    prob = RNG.random((axis.outer, axis.size, axis.inner)).astype(np.float32)
    prob[0, 0] = 0
    labels = RNG.integers(0, axis.size, (axis.outer, axis.inner)).astype(np.float32)
    gain = draw(axis.size, axis.size)

    def call(ops):
        loss, dx = scalar(), np.full_like(prob, np.nan)
        ops.infogain_loss(prob, labels, gain, loss, axis, ignore, divisor)
        ops.infogain_loss_backward(prob, labels, gain, DLOSS, dx, axis, ignore, divisor)
        return loss, dx

    machine.agree(call, 2e-6)


@pytest.mark.parametrize("divisor", [None, 7.0])
@pytest.mark.parametrize("ignore", [None, 0, -1])
@pytest.mark.parametrize("shape", [(3, 7), (2, 3000)])
def test_sigmoid_cross_entropy(shape, ignore, divisor, machine):
    x = 3 * draw(*shape)
    targets = RNG.integers(-1, 2, shape).astype(np.float32)

    def call(ops):
        loss, dx = scalar(), np.full_like(x, np.nan)
        ops.sigmoid_cross_entropy(x, targets, loss, ignore, divisor)
        ops.sigmoid_cross_entropy_backward(x, targets, DLOSS, dx, ignore, divisor)
        return loss, dx

    machine.agree(call)


def test_a_loss_of_what_is_no_number_is_none(machine):
    """A net that diverges must show."""
    p, axis = np.full((2, 3), 0.3, np.float32), AxisSplit(2, 3, 1)
    p[1, 2] = np.nan
    labels, gain = np.array([0, 2], np.float32), np.ones((3, 3), np.float32)

    def call(ops):
        found, dp = [scalar() for _ in range(5)], np.empty_like(p)
        ops.log_loss(p, labels, found[0], 0.7)
        ops.log_loss_backward(p, labels, DLOSS, dp, 0.7)
        ops.infogain_loss(p, labels, gain, found[1], axis)
        ops.hinge_loss(p, labels, found[2], True, 0.7)
        ops.sigmoid_cross_entropy(p, 0 * p + 1, found[3], 5)
        ops.contrastive_loss(p, p + 1, 0 * labels, found[4], 9.0, False, 0.7)
        return *found, dp

    assert np.isnan(machine.agree(call)[:5]).all()
