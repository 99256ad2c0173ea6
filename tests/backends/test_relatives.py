"""The CPU's kernels for the forks' layers against the reference, in float32."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.base import BoxRule
from netspec.backends.cpu import CpuOps
from netspec.backends.numpy_ops import NumpyOps

RNG = np.random.default_rng(3)
CPU, REFERENCE = CpuOps(), NumpyOps()


def normal(*shape: int) -> np.ndarray:
    return (RNG.standard_normal(shape) * 4).astype(np.float32)


@pytest.mark.parametrize("slope", [0.0, 0.25, -0.5])
@pytest.mark.parametrize("size", [7, 40_001])
def test_relu6(slope, size):
    x, dy = normal(size), normal(size)
    x[:3] = 0, 6, np.nan
    outs = []
    for ops in (CPU, REFERENCE):
        y, dx = np.empty((2, size), np.float32)
        ops.relu6(x, y, slope)
        ops.relu6_backward(x, y, dy, dx, slope)
        outs.append((y, dx))
    np.testing.assert_array_equal(*outs)


@pytest.mark.parametrize("shape", [(2, 5, 3), (3, 17, 1000)])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("across", [False, True])
def test_l2_normalize(shape, shared, across):
    x, scale = normal(*shape), normal(1 if shared else shape[1])
    outs = []
    for ops in (CPU, REFERENCE):
        y = np.empty_like(x)
        norm = np.empty((shape[0], 1 if across else shape[2]), np.float32)
        ops.l2_normalize(x, scale, norm, y, 0.5)
        outs.append((y, norm))
    for found, expected in zip(*outs):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("eta", [1.0, 0.7])
@pytest.mark.parametrize("top_k", [-1, 40])
def test_suppress(eta, top_k):
    low = RNG.uniform(0, 0.6, (200, 2))
    boxes = np.concatenate([low, low + RNG.uniform(-0.02, 0.4, (200, 2))], axis=1)
    scores = np.round(RNG.uniform(0, 1, 200), 2).astype(np.float32)  # many are equal
    rule = BoxRule("CORNER", False, 0.1, top_k, 0.6, eta)
    kept = [
        ops.suppress(boxes.astype(np.float32), scores, rule) for ops in (CPU, REFERENCE)
    ]
    assert 10 < len(kept[0]) < 170  # of about 180 above the score
    np.testing.assert_array_equal(*kept)
