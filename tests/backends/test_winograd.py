from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.base import ConvolutionGeometry as Geometry
from netspec.backends.base import Epilogue
from netspec.backends.cpu import CpuOps, direct, threads, winograd
from netspec.backends.cpu.epilogue import finish
from netspec.backends.cpu.winograd import formulas, gradient, products
from netspec.backends.numpy_ops import NumpyOps
from tests.backends.convolution_cases import Arrays

ONE = (1, 1)
CASES = {
    "odd": Geometry(2, 16, 17, (9, 11), (3, 3), ONE, (1, 1), ONE),
    "narrow": Geometry(5, 9, 21, (6, 7), (3, 3), ONE, (1, 0), ONE),
    "unpadded": Geometry(3, 33, 40, (14, 13), (3, 3), ONE, (0, 2), ONE),
    "padded_beyond_kernel": Geometry(1, 70, 20, (31, 150), (3, 3), ONE, (3, 1), ONE),
    "groups": Geometry(2, 40, 80, (23, 17), (3, 3), ONE, (1, 0), ONE, 2),
    "deep": Geometry(1, 270, 290, (13, 16), (3, 3), ONE, (1, 1), ONE),
    "many": Geometry(2, 200, 176, (14, 17), (3, 3), ONE, (1, 1), ONE),
}
NAMES = ("y", "dx", "dw", "db")
# The transforms add and subtract numbers larger than the result: measured at up to
# 4e-6 of the largest value, where direct float32 sums reach 2e-6.
TOLERANCE = 8e-6


def test_formulas_are_a_convolution_and_its_gradients():
    rng = np.random.default_rng(5)
    d, w, dy = rng.standard_normal(6), rng.standard_normal(3), rng.standard_normal(4)
    u, v, g = formulas.weights(w), formulas.inputs(d), formulas.output_gradients(dy)
    y = formulas.outputs(np.multiply(u, v))
    np.testing.assert_allclose(y, [d[i : i + 3] @ w for i in range(4)], rtol=1e-12)
    dw = formulas.weight_gradients(np.multiply(g, v))
    expected = [d[i : i + 4] @ dy for i in range(3)]
    np.testing.assert_allclose(dw, expected, rtol=1e-12)


def run(ops, geo, dtype=np.float32, relu=True):
    a = Arrays(geo, np.float32)
    for name, value in vars(a).items():
        setattr(a, name, value.astype(dtype))
    ops.convolution_forward(a.x, a.w, a.b, a.y, geo, Epilogue(relu=relu))
    ops.convolution_backward(a.x, a.w, a.dy, a.dx, a.dw, a.db, geo)
    return {name: getattr(a, name) for name in NAMES}


@pytest.fixture
def together(monkeypatch):
    """All workers on one chunk of tiles, several times: the way of large layers."""
    monkeypatch.setattr(products, "LARGE_WEIGHTS", 0)
    monkeypatch.setattr(products, "CHUNK_VALUES", 1 << 17)
    monkeypatch.setattr(gradient, "SMALL_SUMS", 0)
    monkeypatch.setattr(gradient, "CHUNK_VALUES", 1 << 17)


@pytest.fixture
def apart(monkeypatch):
    """Each worker on blocks of its own: the way of small layers."""
    monkeypatch.setattr(products, "LARGE_WEIGHTS", 1 << 30)
    monkeypatch.setattr(gradient, "SMALL_SUMS", 1 << 30)


@pytest.mark.parametrize("way", ["apart", "together"])
@pytest.mark.parametrize("case", CASES)
def test_against_the_reference(case, way, request):
    request.getfixturevalue(way)
    geo = CASES[case]
    assert winograd.suits(geo)
    found, wanted = run(CpuOps(), geo), run(NumpyOps(), geo, np.float64)
    for name in NAMES:
        error = np.abs(found[name] - wanted[name]).max() / np.abs(wanted[name]).max()
        assert error < TOLERANCE, name


@pytest.mark.parametrize("way", ["apart", "together"])
@pytest.mark.parametrize("case", ["unpadded", "groups", "many"])
def test_the_same_bits_for_any_number_of_threads(case, way, request):
    request.getfixturevalue(way)
    before, results = threads.count(), []
    try:
        for number in (1, 2, 5):
            threads.set_count(number)
            results.append(
                {k: v.tobytes() for k, v in run(CpuOps(), CASES[case]).items()}
            )
    finally:
        threads.set_count(before)
    assert results[0] == results[1] == results[2]


def test_a_nan_is_not_hidden():
    geo = CASES["odd"]
    a = Arrays(geo, np.float32)
    a.x[1, 3, 4, 5] = np.nan
    CpuOps().convolution_forward(a.x, a.w, a.b, a.y, geo, Epilogue(relu=True))
    assert np.isnan(a.y[1, :, 3:6, 4:7]).all()
    assert np.isfinite(a.y[0]).all()


def test_exact_means_direct_sums():
    geo = CASES["odd"]
    a, b = Arrays(geo, np.float32), Arrays(geo, np.float32)
    CpuOps(exact=True).convolution_forward(a.x, a.w, a.b, a.y, geo)
    direct.forward(b.x, b.w, b.y, geo, finish(geo.filters, b.b))
    np.testing.assert_array_equal(a.y, b.y)
    CpuOps().convolution_forward(a.x, a.w, a.b, a.y, geo)
    assert not np.array_equal(a.y, b.y)


SHAPE = {"channels": 16, "filters": 16, "input": (16, 16), "pad": (1, 1), "batch": 1}


@pytest.mark.parametrize(
    ("change", "suits"),
    [
        ({}, True),
        ({"pad": (0, 2)}, True),
        ({"channels": 7}, False),
        ({"filters": 7}, False),
        ({"group": 2}, True),
        ({"group": 4}, False),
        ({"input": (12, 12)}, False),
        ({"kernel": (3, 1), "pad": (1, 0)}, False),
        ({"kernel": (3, 3, 3), "input": (16, 16, 16), "pad": (1, 1, 1)}, False),
        ({"stride": (1, 2)}, False),
        ({"dilation": (2, 1)}, False),
    ],
)
def test_the_geometry_alone_decides(change, suits):
    fields = SHAPE | {"kernel": (3, 3)} | change
    axes = len(fields["kernel"])
    fields = {"stride": (1,) * axes, "dilation": (1,) * axes, **fields}
    assert winograd.suits(Geometry(**fields)) is suits
