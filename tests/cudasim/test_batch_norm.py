"""What has a number for each channel: Scale, Bias and batch normalisation."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backends import test_affine as affine
from tests.backends import test_batch_norm as batch_norm

EPS = batch_norm.EPS
# Rows beyond a block's, parts beyond one, vectors and their remainders.
SHAPES = [(3, 5, 7), (4, 6, 1), (1, 1, 9), (70, 3, 12), (2, 2, 4100), (0, 3, 4)]
SHAPES += [(70, 40, 1), (200, 9, 2)]  # channels that lie side by side
IMAGES = [
    (4, 3, 5, 8),
    (6, 5),
    (3, 2, 40),
    (70, 3, 2, 3),
    (2, 2, 65, 70),
    (1, 1, 4),
    (300, 33),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_affine(shape, machine):
    x, _, scale, bias = affine.drawn(shape, np.float32)

    def call(ops):
        found = []
        for s, b in ((scale, bias), (scale, None), (None, bias), (None, None)):
            y, z = np.full_like(x, np.nan), x.copy()
            ops.affine(x, s, b, y)
            ops.affine(z, s, b, z)
            found += [y, z]
        return found

    machine.agree(call)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_of_scale_and_bias_are_added(shape, machine):
    x, dy, *start = affine.drawn(shape, np.float32)

    def call(ops):
        dscale, dbias = (a.copy() for a in start)
        product, alone = (a.copy() for a in start)
        ops.affine_gradient(x, dy, dscale, dbias)
        ops.affine_gradient(x, dy, product, None)
        ops.affine_gradient(None, dy, None, alone)
        return dscale, dbias, product, alone

    machine.agree(call)


@pytest.mark.parametrize("shape", IMAGES)
def test_batch_norm(shape, machine):
    x, dy = batch_norm.drawn(shape)

    def call(ops):
        mean, variance = batch_norm.empty(shape[1])
        y, copy, dx, dz, stored = (np.full(shape, np.nan, np.float32) for _ in range(5))
        ops.channel_statistics(x, mean, variance)
        ops.batch_norm(x, mean, variance, EPS, y, copy)
        ops.batch_norm_backward(x, mean, variance, EPS, dy, dx)
        ops.batch_norm_backward(y, None, variance, EPS, dy, dz)
        ops.batch_norm_backward_stored(variance, EPS, dy, stored)
        return mean, variance, y, copy, dx, dz, stored

    machine.agree(call, 4e-6, 4e-6)


def test_in_place(machine):
    x, dy = batch_norm.drawn(IMAGES[0])

    def call(ops):
        mean, variance = batch_norm.empty(3)
        y, dx = x.copy(), dy.copy()
        ops.channel_statistics(y, mean, variance)
        ops.batch_norm(y, mean, variance, EPS, y)
        ops.batch_norm_backward(y, None, variance, EPS, dx, dx)
        return y, dx

    machine.agree(call, 4e-6, 4e-6)


def test_statistics_of_what_is_far_from_zero_or_constant(machine):
    rng = np.random.default_rng(7)
    x = (1000 + rng.standard_normal((5, 3, 30, 31))).astype(np.float32)
    x[:, 2] = 0.1

    def call(ops):
        mean, variance = batch_norm.empty(3)
        ops.channel_statistics(x, mean, variance)
        return mean, variance

    _, variance = machine.agree(call, 1e-5, 1e-12)
    exact = x.astype(np.float64).var((0, 2, 3))
    np.testing.assert_allclose(variance[:2], exact[:2], rtol=1e-6)
    assert 0 <= variance[2] < 1e-12


@pytest.mark.parametrize("factor", [2.0, 0.0])
def test_stored_sums(factor, machine):
    start = [np.array(v, np.float32) for v in ([1.0, -2.0], [3.0, 4.0], [factor])]

    def call(ops):
        stored = [a.copy() for a in start]
        mean = np.array([0.5, 0.25], np.float32)
        variance = np.array([1.0, 8.0], np.float32)
        read = [np.empty_like(mean), np.empty_like(mean)]
        ops.stored_statistics(stored, *read)
        ops.accumulate_statistics(mean, variance, stored, 0.75, 5)
        one = [a.copy() for a in start]
        ops.accumulate_statistics(mean, variance, one, 0.9, 1)
        return *stored, *one, *read

    machine.agree(call)
