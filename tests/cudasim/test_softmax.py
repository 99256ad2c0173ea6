"""Softmax, its loss and the accuracy against the reference."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.base import AxisSplit

RNG = np.random.default_rng(12)
# A place for a thread, for a warp, and (more than 1024 classes) for a block.
AXES = [
    AxisSplit(3, 4, 5),
    AxisSplit(11, 70, 1),
    AxisSplit(3, 1100, 1),
    AxisSplit(2, 1, 3),
]


def draw(axis):
    """Scores with ties among them, labels, and a gradient."""
    shape = axis.outer, axis.size, axis.inner
    x, dy = np.round(2 * RNG.standard_normal((2, *shape)), 1).astype(np.float32)
    labels = RNG.integers(0, axis.size, (axis.outer, axis.inner)).astype(np.float32)
    labels[0, 0] = 0
    return x, dy, labels


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("axis", AXES, ids=str)
def test_softmax(axis, in_place, machine):
    x, dy, _ = draw(axis)

    def call(ops):
        y = x.copy() if in_place else np.full_like(x, np.nan)
        ops.softmax(y if in_place else x, y, axis)
        dx = dy.copy() if in_place else np.full_like(x, np.nan)
        ops.softmax_backward(y, dx if in_place else dy, dx, axis)
        return y, dx

    machine.agree(call)


@pytest.mark.parametrize("inner", [1, 2])
def test_softmax_of_what_is_no_number(inner, machine):
    axis = AxisSplit(3, 3, inner)
    x = np.zeros((3, 3, inner), np.float32)
    x[0, 1], x[1, 0], x[2] = np.nan, np.inf, -np.inf

    def call(ops):
        ops.softmax(x, y := np.empty_like(x), axis)
        return [y]

    machine.agree(call)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("divisor", [None, 7.0])
@pytest.mark.parametrize("ignore", [None, 0])
@pytest.mark.parametrize("axis", AXES, ids=str)
def test_loss(axis, ignore, divisor, smoothing, machine):
    x, _, labels = draw(axis)
    x[0] *= 60  # probabilities of 0

    def call(ops):
        prob, dx = np.full_like(x, np.nan), np.full_like(x, np.nan)
        loss, about = (
            np.full((), np.nan, np.float32),
            (axis, ignore, divisor, smoothing),
        )
        ops.softmax_loss(x, labels, prob, loss, *about)
        dloss = np.array(1.3, np.float32)
        ops.softmax_loss_backward(prob, labels, dloss, dx, *about)
        return prob, loss, dx

    machine.agree(call, 2e-6)


@pytest.mark.parametrize("axis", AXES[:3], ids=str)
def test_a_loss_of_what_is_no_number_is_none(axis, machine):
    """A net that diverges must show."""
    x, _, labels = draw(axis)
    x[0, 1, 0] = np.nan

    def call(ops):
        prob, loss = np.empty_like(x), np.empty((), np.float32)
        ops.softmax_loss(x, labels, prob, loss, axis)
        return [loss]

    assert np.isnan(machine.agree(call)[0])


def test_nothing_but_ignored_labels(machine):
    axis = AxisSplit(2, 3, 1)
    x, labels = np.ones((2, 3), np.float32), np.full(2, 1, np.float32)

    def call(ops):
        prob, loss = np.empty_like(x), np.empty((), np.float32)
        ops.softmax_loss(x, labels, prob, loss, axis, 1)
        return [loss]

    assert machine.agree(call)[0] == 0


def test_the_loss_of_many_places(machine):
    """More than one block's part."""
    axis = AxisSplit(2, 3, 5000)
    x, _, labels = draw(axis)

    def call(ops):
        prob, loss = np.empty_like(x), np.empty((), np.float32)
        ops.softmax_loss(x, labels, prob, loss, axis, 2)
        return [loss]

    machine.agree(call)


@pytest.mark.parametrize(
    ("labels", "ignore", "at"),
    [
        ([0.0, 3.0, 2.0], None, -1),
        ([0.0, 4.0, -1.0], None, 1),
        ([0.0, 4.0, -1.0], 4, 2),
        ([0.0, -1.0, np.nan], -1, 2),
        ([-0.5, 3.5, 2.0], None, -1),
        ([np.inf], 3, 0),
        ([2.0] * 3000 + [9.0] * 100, None, 3000),
    ],
)
def test_first_bad_label(labels, ignore, at, machine):
    given = np.array(labels, np.float32)
    (found,) = machine.agree(lambda ops: [ops.first_bad_label(given, 4, ignore)])
    assert found == at


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("top_k", [1, 3])
@pytest.mark.parametrize("ignore", [None, 1])
@pytest.mark.parametrize("axis", AXES[:3], ids=str)
def test_accuracy(axis, ignore, top_k, per_class, machine):
    x, _, labels = draw(axis)
    x[1, 0] = np.nan

    def call(ops):
        share = np.empty((), np.float32)
        shares = np.zeros(axis.size, np.float32)
        classes = shares if per_class else None
        ops.accuracy(x, labels, share, classes, axis, top_k, ignore, shards=2)
        return share, shares

    machine.agree(call)
