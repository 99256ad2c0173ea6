"""Pooling over common windows: the reference's bits, within the arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from netspec.backends.base import PoolingGeometry
from netspec.backends.cpu import CpuOps, windows
from netspec.backends.cpu.vectors import WIDTH
from netspec.backends.numpy_ops import NumpyOps
from netspec.shapes import pooling_size
from tests.backends.guarded import Guards

# Around whole vectors of windows, and of pixels at a stride of 2.
around = [n * WIDTH + i for n in (1, 2, 4) for i in (-1, 0, 1)]
lengths = st.one_of(st.integers(1, 20), st.sampled_from(around))
quick = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@st.composite
def geometries(draw: st.DrawFn) -> PoolingGeometry:
    kernel, stride = draw(st.sampled_from(windows.SQUARES))
    image = draw(lengths), draw(lengths)
    pad = draw(st.integers(0, kernel - 1)), draw(st.integers(0, kernel - 1))
    ceil = draw(st.booleans())
    output = tuple(
        pooling_size(n, kernel, stride, p, ceil, padded=any(pad))
        for n, p in zip(image, pad, strict=True)
    )
    assume(min(output) > 0)
    # More planes than one task takes, where they are small.
    channels = draw(st.sampled_from([1, 3, 70]))
    return PoolingGeometry(
        2, channels, image, output, (kernel,) * 2, (stride,) * 2, pad
    )


def drawn(g: PoolingGeometry, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """x with ties, zeros of both signs, infinities and NaN; gradients."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.standard_normal((g.batch, g.channels, *g.input)) * 2) / 2
    odd = rng.random(x.shape)
    x[odd < 0.1] = np.nan
    x[odd > 0.95] = -np.inf
    x[0, 0] = np.nan
    dy = rng.standard_normal((g.batch, g.channels, *g.output))
    return x.astype(np.float32), dy.astype(np.float32)


def pooled(ops: NumpyOps, g: PoolingGeometry) -> dict[str, np.ndarray]:
    """What the operations make of the same numbers."""
    x, dy = drawn(g, 5)
    y, dx, index = np.empty_like(dy), np.empty_like(x), np.empty(dy.shape, np.uint8)
    mean, dx_mean = np.empty_like(dy), np.empty_like(x)
    ops.max_pool(x, y, index, g)
    ops.max_pool_backward(dy, index, dx, g)
    ops.average_pool(np.nan_to_num(x, neginf=0.25), mean, g)
    ops.average_pool_backward(dy, dx_mean, g)
    return {"y": y, "index": index, "dx": dx, "mean": mean, "dx_mean": dx_mean}


def same_bits(found: np.ndarray, wanted: np.ndarray) -> bool:
    return found.tobytes() == wanted.tobytes()


@pytest.fixture
def guards(monkeypatch: pytest.MonkeyPatch) -> list[Guards]:
    """Scratch comes from the newest of the guards."""
    every = [Guards()]
    monkeypatch.setattr(
        "netspec.backends.cpu.threads.buffer",
        lambda name, size: every[-1].scratch()(name, size),
    )
    return every


@quick
@given(g=geometries(), seed=st.integers(0, 9))
def test_maximum(g, seed, guards) -> None:
    guard = Guards()
    guards.append(guard)
    x, dy = drawn(g, seed)
    wanted, wanted_dx = np.empty_like(dy), np.empty_like(x)
    wanted_index = np.empty(dy.shape, np.uint8)
    NumpyOps().max_pool(x, wanted, wanted_index, g)
    NumpyOps().max_pool_backward(dy, wanted_index, wanted_dx, g)
    x, dy = guard.array("x", x), guard.array("dy", dy)
    y, dx = guard.array("y", dy), guard.array("dx", x)
    raw = np.full(dy.size + 128, 77, np.uint8)
    index = raw[64:-64].reshape(dy.shape)
    CpuOps().max_pool(x, y, index, g)
    assert same_bits(y, wanted)
    assert (index == wanted_index).all()
    assert (raw[:64] == 77).all()
    assert (raw[-64:] == 77).all()
    CpuOps().max_pool_backward(dy, index, dx, g)
    assert same_bits(dx, wanted_dx)
    y[...] = np.nan
    CpuOps().max_pool(x, y, None, g)
    assert same_bits(y, wanted)
    assert guard.broken() == []


@quick
@given(g=geometries(), seed=st.integers(0, 9))
def test_average(g, seed, guards) -> None:
    guard = Guards()
    guards.append(guard)
    x, dy = (np.nan_to_num(a, neginf=0.25) for a in drawn(g, seed))
    wanted, wanted_dx = np.empty_like(dy), np.empty_like(x)
    NumpyOps().average_pool(x, wanted, g)
    NumpyOps().average_pool_backward(dy, wanted_dx, g)
    x, dy = guard.array("x", x), guard.array("dy", dy)
    y, dx = guard.array("y", dy), guard.array("dx", x)
    CpuOps().average_pool(x, y, g)
    CpuOps().average_pool_backward(dy, dx, g)
    if g.output == (1, 1):  # the sum of a plane has more digits than the reference's
        np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(dx, wanted_dx, rtol=1e-6)
    else:
        assert same_bits(y, wanted)
        assert same_bits(dx, wanted_dx)
    assert guard.broken() == []
