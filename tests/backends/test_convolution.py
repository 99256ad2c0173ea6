from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.backends.base import ConvolutionGeometry as Geometry
from netspec.backends.base import Epilogue
from netspec.backends.cpu import CpuOps, threads
from netspec.backends.numpy_ops import NumpyOps
from tests.backends.convolution_cases import CASES, Arrays, naive

# A sum of n float32 products is good to about n * 6e-8 of the sum of their sizes; the
# longest sum here has 900 terms.
TOLERANCE = {np.float64: 1e-13, np.float32: 5e-6}
BACKENDS = [
    pytest.param(NumpyOps(), np.float64, id="numpy64"),
    pytest.param(NumpyOps(), np.float32, id="numpy32"),
    pytest.param(CpuOps(), np.float64, id="cpu64"),
    pytest.param(CpuOps(), np.float32, id="cpu32"),
]


@lru_cache
def expected(case):
    """From float32 draws, which every type holds exactly."""
    return naive(Arrays(CASES[case], np.float32), CASES[case])


def close(found, wanted):
    tolerance = TOLERANCE[found.dtype.type]
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance * scale)


def arrays(geo, dtype):
    a = Arrays(geo, np.float32)
    for name, value in vars(a).items():
        setattr(a, name, value.astype(dtype))
    return a


def run(ops, geo, a, relu=False):
    ops.convolution_forward(a.x, a.w, a.b, a.y, geo, Epilogue(relu=relu))
    ops.convolution_backward(a.x, a.w, a.dy, a.dx, a.dw, a.db, geo)
    return a


@pytest.mark.smoke
@pytest.mark.parametrize(("ops", "dtype"), BACKENDS)
@pytest.mark.parametrize("case", CASES)
def test_forward_and_gradients_against_loops(case, ops, dtype):
    a = run(ops, CASES[case], arrays(CASES[case], dtype))
    for name, value in expected(case).items():
        close(getattr(a, name), value)


@pytest.mark.parametrize(("ops", "dtype"), BACKENDS)
@pytest.mark.parametrize("case", ["stride", "depthwise", "one_by_one"])
def test_without_bias_and_with_relu(case, ops, dtype):
    geo = CASES[case]
    a = arrays(geo, dtype)
    a.x[0, :, 1] = np.nan
    ops.convolution_forward(a.x, a.w, None, a.y, geo)
    plain, a.y = a.y, np.full_like(a.y, -7)
    ops.convolution_forward(a.x, a.w, None, a.y, geo, Epilogue(relu=True))
    np.testing.assert_array_equal(a.y, np.maximum(plain, 0))
    assert np.isnan(plain).any()
    assert (plain < 0).any()


@pytest.mark.parametrize(("ops", "dtype"), BACKENDS)
@pytest.mark.parametrize("wanted", ["dx", "dw", "db"])
def test_only_wanted_gradients_are_written(wanted, ops, dtype):
    geo = CASES["group"]
    a, before = arrays(geo, dtype), arrays(geo, dtype)
    grads = {n: getattr(a, n) if n == wanted else None for n in ("dx", "dw", "db")}
    ops.convolution_backward(a.x, a.w, a.dy, geo=geo, **grads)
    for name in ("x", "w", "dy", "dx", "dw", "db"):
        same = np.array_equal(getattr(a, name), getattr(before, name), equal_nan=True)
        assert same == (name != wanted), name


@pytest.mark.parametrize(("ops", "dtype"), BACKENDS)
@pytest.mark.parametrize("case", ["stride", "group", "dilation", "line", "volume"])
def test_deconvolution_is_the_adjoint(case, ops, dtype):
    """<conv(x), y> = <x, deconv(y)>, and its gradients by exchanging the two."""
    geo = CASES[case]
    a = arrays(geo, dtype)
    bias = a.x[0].reshape(geo.channels, -1)[:, 0].copy()
    ops.deconvolution_forward(a.dy, a.w, bias, a.dx, geo)
    close(a.dx, expected(case)["dx"] + bias.reshape(-1, *(1,) * len(geo.input)))
    below, db = np.full_like(a.dy, np.nan), bias.copy()
    ops.deconvolution_backward(a.dy, a.w, a.x, below, a.dw, db, geo)
    unbiased = expected(case)["y"] - a.b.reshape(-1, *(1,) * len(geo.input))
    close(below, unbiased)
    close(a.dw, expected(case)["dw"])
    close(db, bias + a.x.astype(np.float64).sum(axis=(0, *range(2, a.x.ndim))))


# Large enough to be cut into tasks in every way, and to be worth sharing.
LARGE = {
    "rows": Geometry(3, 6, 20, (61, 59), (3, 5), (1, 1), (1, 2), (1, 1)),
    "channels": Geometry(2, 96, 40, (13, 11), (3, 2), (1, 2), (1, 0), (1, 1)),
    "images": Geometry(9, 16, 24, (28, 26), (5, 5), (1, 1), (2, 2), (1, 1)),
    "groups": Geometry(2, 64, 96, (17, 15), (3, 3), (2, 1), (1, 1), (1, 1), 4),
    "pointwise": Geometry(3, 130, 70, (19, 17), (1, 1), (1, 1), (0, 0), (1, 1)),
    "depthwise": Geometry(4, 40, 40, (31, 33), (3, 3), (1, 1), (1, 1), (1, 1), 40),
}


@pytest.fixture
def several_threads():
    before = threads.count()
    yield
    threads.set_count(before)


@pytest.mark.parametrize("case", LARGE)
def test_the_same_bits_for_any_number_of_threads(case, several_threads):
    geo, results = LARGE[case], []
    for number in (1, 2, 5):
        threads.set_count(number)
        a = run(CpuOps(), geo, Arrays(geo, np.float32), relu=True)
        results.append([v.tobytes() for v in (a.y, a.dx, a.dw, a.db)])
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("case", LARGE)
def test_compiled_against_the_reference(case):
    geo = LARGE[case]
    found = run(CpuOps(), geo, arrays(geo, np.float32))
    wanted = run(NumpyOps(), geo, arrays(geo, np.float64))
    for name in ("y", "dx", "dw", "db"):
        close(getattr(found, name), getattr(wanted, name))


@st.composite
def geometries(draw):
    """Anything that gives an output, of one to three axes."""
    axes, small = draw(st.integers(1, 3)), st.integers(1, 3)
    many = st.tuples(*[small] * axes)
    group, each = draw(small), st.integers(1, 5)
    kernel, dilation = draw(many), draw(many)
    pad = draw(st.tuples(*[st.integers(0, 4)] * axes))
    sizes = [
        st.integers(max(1, d * (k - 1) + 1 - 2 * p), 40 if axes == 1 else 13)
        for k, d, p in zip(kernel, dilation, pad, strict=True)
    ]
    return Geometry(
        batch=draw(small),
        channels=group * draw(each),
        filters=group * draw(each),
        input=draw(st.tuples(*sizes)),
        kernel=kernel,
        stride=draw(st.tuples(*[st.integers(1, 4)] * axes)),
        pad=pad,
        dilation=dilation,
        group=group,
    )


@settings(max_examples=150, deadline=None)
@given(geometries(), st.integers(0, 9))
def test_any_geometry(geo, seed):
    def results(ops, dtype):
        a = Arrays(geo, np.float32, seed)
        for name, value in vars(a).items():
            setattr(a, name, value.astype(dtype))
        run(ops, geo, a)
        return a

    found, wanted = results(CpuOps(), np.float32), results(NumpyOps(), np.float64)
    for name in ("y", "dx", "dw", "db"):
        close(getattr(found, name), getattr(wanted, name))


def test_other_layouts_go_to_the_reference():
    geo = CASES["pad"]
    a = Arrays(geo, np.float32)
    a.x = np.asfortranarray(a.x)
    a.dy = a.dy[:, :, ::-1].copy()[:, :, ::-1]
    run(CpuOps(), geo, a)
    close(a.y, expected("pad")["y"])
    close(a.dw, expected("pad")["dw"])
