"""No kernel of a convolution writes beyond an array or its scratch, in any geometry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from netspec.backends.base import ConvolutionGeometry, Epilogue
from netspec.backends.cpu import CpuOps
from netspec.backends.numpy_ops import NumpyOps
from netspec.shapes import count
from tests.backends.guarded import Guards

SCRATCH_USERS = (
    "netspec.backends.cpu.threads",
    "netspec.backends.cpu.direct.weight_gradient",
    "netspec.backends.cpu.direct.skipping",
    "netspec.backends.cpu.direct.folding",
    "netspec.backends.cpu.direct.gathering",
    "netspec.backends.cpu.direct.scattering",
    "netspec.backends.cpu.direct.products",
    "netspec.backends.cpu.winograd.products",
    "netspec.backends.cpu.winograd.gradient",
)


@pytest.fixture
def guards(monkeypatch: pytest.MonkeyPatch) -> list[Guards]:
    """Scratch comes from the newest of the guards."""
    every = [Guards()]
    for module in SCRATCH_USERS:
        monkeypatch.setattr(
            f"{module}.buffer", lambda name, size: every[-1].scratch()(name, size)
        )
    return every


sizes = st.one_of(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 6), st.integers(150, 420)),
)
kernels = st.sampled_from([(1, 1), (3, 3), (2, 3), (5, 1), (1, 4), (5, 5)])
small = st.tuples(st.integers(1, 3), st.integers(1, 3))
pads = st.tuples(st.integers(0, 3), st.integers(0, 3))
channels = st.sampled_from([1, 2, 3, 8, 9, 16, 17, 33])


@st.composite
def geometries(draw: st.DrawFn) -> ConvolutionGeometry:
    group = draw(st.sampled_from([1, 1, 1, 2, 5]))
    each = draw(channels), draw(channels)
    geo = ConvolutionGeometry(
        draw(st.integers(1, 3)),
        group * each[0],
        group * each[1],
        draw(sizes),
        kernel := draw(kernels),
        draw(st.one_of(st.just((1, 1)), small)),
        draw(st.one_of(st.just((kernel[0] // 2, kernel[1] // 2)), pads)),
        draw(st.one_of(st.just((1, 1)), small)),
        group,
    )
    assume(min(geo.output) > 0)
    assume(geo.batch * geo.filters * count(geo.output) * geo.taps < 3e7)
    return geo


def drawn(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(geo=geometries(), relu=st.booleans())
def test_nothing_is_written_beyond_an_array(
    guards: list[Guards], geo: ConvolutionGeometry, relu: bool
) -> None:
    guard = Guards()
    guards[:] = [guard]
    x = drawn((geo.batch, geo.channels, *geo.input), 1)
    w = drawn((geo.filters, geo.channels // geo.group, *geo.kernel), 2)
    b = drawn((geo.filters,), 3)
    dy = drawn((geo.batch, geo.filters, *geo.output), 4)
    given_ = [guard.array(n, a) for n, a in zip(["x", "w", "b", "dy"], (x, w, b, dy))]
    got = run(CpuOps(), geo, relu, *given_, guard)
    assert guard.broken() == []
    for before, after in zip((x, w, b, dy), given_):
        np.testing.assert_array_equal(before, after)
    expected = run(NumpyOps(), geo, relu, x, w, b, dy, Guards())
    for name, value in expected.items():
        # Inputs are N(0, 1): a result near 0 is a sum of terms of about 1.  Winograd's
        # error is about 5e-6 of the maximum.
        scale = np.abs(value).max() + 1
        assert np.abs(got[name] - value).max() < 1e-4 * scale, name


def run(ops, geo, relu, x, w, b, dy, guard: Guards) -> dict[str, np.ndarray]:
    y = guard.array("y", np.full_like(dy, np.nan))
    dx = guard.array("dx", np.full_like(x, np.nan))
    dw = guard.array("dw", np.zeros_like(w))
    db = guard.array("db", np.zeros_like(b))
    ops.convolution_forward(x, w, b, y, geo, Epilogue(relu=relu))
    ops.convolution_backward(x, w, dy, dx, dw, db, geo)
    return {"y": y, "dx": dx, "dw": dw, "db": db}
