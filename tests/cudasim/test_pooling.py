"""Pooling against the reference: maximum, average, a value drawn, its expectation."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.random import Key
from tests.backends.test_pooling import CASES, drawn, geometry, index_like

SMALLER = {
    **CASES,
    "2x2_wide": geometry(1, 2, (6, 38), (2, 2), (2, 2), (0, 0)),
    "3x3_by_2": geometry(2, 2, (11, 25), (3, 3), (2, 2), (0, 0)),
    "many_tasks": geometry(2, 11, (13, 17), (3, 2), (2, 3), (1, 0)),
    "beyond": geometry(2, 3, (6, 9), (2, 2), (3, 5), (0, 0)),
    "many_places": geometry(1, 2, (20, 19), (17, 18), (3, 1), (0, 0)),  # over 255
}


@pytest.mark.parametrize("g", SMALLER.values(), ids=SMALLER)
def test_maximum(g, machine):
    x, dy, *_ = drawn(g, np.float32)
    x[0, 1, 2:] = np.nan

    def call(ops):
        y, dx = np.full_like(dy, np.nan), np.full_like(x, np.nan)
        index, mask, plain = index_like(y, g), y.copy(), y.copy()
        ops.max_pool(x, y, index, g)
        ops.max_pool(x, plain, None, g)
        ops.max_pool_mask(index, mask, g)
        ops.max_pool_backward(dy, index, dx, g)
        return y, plain, index, mask, dx

    machine.agree(call, 1e-6)


@pytest.mark.parametrize("g", SMALLER.values(), ids=SMALLER)
def test_average(g, machine):
    x, dy, *_ = drawn(g, np.float32)

    def call(ops):
        y, dx = np.full_like(dy, np.nan), np.full_like(x, np.nan)
        ops.average_pool(x, y, g)
        ops.average_pool_backward(dy, dx, g)
        return y, dx

    machine.agree(call, 2e-6)


STOCHASTIC = {name: g for name, g in SMALLER.items() if not any(g.pad)}


@pytest.mark.parametrize("g", STOCHASTIC.values(), ids=STOCHASTIC)
def test_drawn_values(g, machine):
    x, dy, *_ = drawn(g, np.float32)
    x = np.maximum(x, 0)  # among them windows of nothing but 0
    key = Key(5, "pool/draw", 2**34 + 1)

    def call(ops):
        y, expected = np.full_like(dy, np.nan), np.full_like(dy, np.nan)
        index, dx = index_like(y, g), np.full_like(x, np.nan)
        ops.stochastic_pool(x, y, index, g, key, first_sample=7)
        ops.expected_pool(x, expected, g)
        ops.expected_pool_backward(x, expected, dy, dx, g)
        return y, index, expected, dx

    machine.agree(call, 2e-6)
