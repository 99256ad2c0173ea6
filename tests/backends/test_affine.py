"""Scale and bias along middle axes, on every CPU backend."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.cpu.threads import count, set_count
from tests.layers.harness import both_ops

OPS = {ops.name: ops for ops in both_ops()}
SHAPES = [(3, 5, 7), (4, 6, 1), (1, 1, 9), (70, 3, 11), (150, 1300, 1), (1, 33, 1)]


def drawn(shape, dtype):
    rng = np.random.default_rng(8)
    x, dy = rng.standard_normal((2, *shape)).astype(dtype)
    return x, dy, *rng.standard_normal((2, shape[1])).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ops", OPS.values(), ids=OPS)
@pytest.mark.parametrize("shape", SHAPES)
def test_forward(shape, ops, dtype):
    x, _, scale, bias = drawn(shape, dtype)
    both = x * scale[:, None] + bias[:, None]
    expected = [(scale, bias, both), (scale, None, x * scale[:, None])]
    expected += [(None, bias, x + bias[:, None]), (None, None, x)]
    for s, b, wanted in expected:
        y = np.full_like(x, np.nan)
        ops.affine(x, s, b, y)
        np.testing.assert_allclose(y, wanted, rtol=1e-6, atol=1e-6)
        z = x.copy()
        ops.affine(z, s, b, z)
        np.testing.assert_array_equal(z, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ops", OPS.values(), ids=OPS)
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_are_added(shape, ops, dtype):
    x, dy, dscale, dbias = drawn(shape, dtype)
    wide = x.astype(np.float64), dy.astype(np.float64)
    products = dscale + (wide[0] * wide[1]).sum((0, 2))
    sums = dbias + wide[1].sum((0, 2))
    only = dbias.copy()
    ops.affine_gradient(x, dy, dscale, dbias)
    ops.affine_gradient(None, dy, None, only)
    # Sums are kept in float64, so only the result is rounded (and, by the reference,
    # each product: up to 770 of them).
    np.testing.assert_allclose(dscale, products, rtol=1e-6, atol=2e-6)
    np.testing.assert_allclose(dbias, sums, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(only, dbias)


@pytest.mark.parametrize("shape", [(70, 3, 4001), (300, 1300, 1)])
def test_sums_do_not_depend_on_threads(shape):
    x, dy, *_ = drawn(shape, np.float32)
    before, found = count(), []
    try:
        for threads in (1, 2, 3):
            set_count(threads)
            dscale, dbias = np.zeros((2, shape[1]), np.float32)
            OPS["cpu"].affine_gradient(x, dy, dscale, dbias)
            found.append(dscale.tobytes() + dbias.tobytes())
    finally:
        set_count(before)
    assert found[0] == found[1] == found[2]
