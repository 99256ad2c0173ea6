"""Sums over rows, rows normalised, and images by their norms, against the reference."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.base import Term

RNG = np.random.default_rng(21)
SHAPES = [
    (3, 5),
    (1, 1),
    (70, 9),
    (2, 9003),
    (3, 1),
]  # one warp, one block, a part more


def draw(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("term", Term)
def test_reduce_rows(term, shape, machine):
    x, dy = draw(*shape), draw(shape[0])
    x[0, 0] = 0

    def call(ops):
        y, dx = np.full_like(dy, np.nan), np.full_like(x, np.nan)
        ops.reduce_rows(x, y, term, -0.7)
        ops.reduce_rows_backward(x, dy, dx, term, -0.7)
        return y, dx

    machine.agree(call)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("divides", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_normalize_rows(shape, divides, in_place, machine):
    start, slope = draw(*shape) + 3, draw(*shape)

    def call(ops):
        x, dy = start.copy(), slope.copy()
        y, dx = (x, dy) if in_place else (np.empty_like(x), np.empty_like(x))
        deviation = np.full(shape[0], np.nan, np.float32) if divides else None
        ops.normalize_rows(x, y, deviation, 0.1)
        ops.normalize_rows_backward(y, deviation, dy, dx)
        return [y, dx] + [deviation] * divides

    # the mean, 3, is known to float32's 2e-7, the deviation to 1e-7
    machine.agree(call, 2e-6, 2e-6)


@pytest.mark.parametrize("shape", [(2, 5, 3), (3, 17, 70), (2, 70, 64)])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("across", [False, True])
def test_l2_normalize(shape, shared, across, machine):
    x, dy, scale = draw(*shape), draw(*shape), draw(1 if shared else shape[1])

    def call(ops):
        y, dx = np.full_like(x, np.nan), np.full_like(x, np.nan)
        norm = np.empty((shape[0], 1 if across else shape[2]), np.float32)
        dscale = np.ones_like(scale)
        ops.l2_normalize(x, scale, norm, y, 0.5)
        ops.l2_normalize_backward(x, scale, norm, dy, dx, dscale)
        ops.l2_normalize_backward(x, scale, norm, dy, None, dscale)
        return y, norm, dx, dscale

    machine.agree(call, 2e-6)
