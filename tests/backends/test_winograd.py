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
from tests.backends.guarded import Guards

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
WIDE = {
    "wide_odd": Geometry(3, 32, 17, (9, 11), (5, 5), ONE, (2, 2), ONE),
    "wide_unpadded": Geometry(2, 33, 40, (14, 13), (5, 5), ONE, (0, 1), ONE),
    "wide_padded_beyond_kernel": Geometry(1, 40, 9, (21, 50), (5, 5), ONE, (5, 3), ONE),
    "wide_groups": Geometry(2, 80, 160, (23, 17), (5, 5), ONE, (2, 0), ONE, 2),
}
NAMES = ("y", "dx", "dw", "db")
# The transforms add and subtract numbers larger than the result: measured at up to
# 4e-6 of the largest value, where direct float32 sums reach 2e-6.
TOLERANCE = 8e-6


@pytest.mark.parametrize("taps", [3, 5])
def test_formulas_are_a_convolution_and_its_gradients(taps):
    rng, tile = np.random.default_rng(5), 7 - taps
    d, w, dy = (rng.standard_normal(n) for n in (6, taps, tile))
    u, v, g = formulas.weights(w), formulas.inputs(d), formulas.output_gradients(dy)
    y = formulas.outputs(np.multiply(u, v), tile)
    expected = [d[i : i + taps] @ w for i in range(tile)]
    np.testing.assert_allclose(y, expected, rtol=1e-11)
    dw = formulas.weight_gradients(np.multiply(g, v), taps)
    expected = [d[i : i + tile] @ dy for i in range(taps)]
    np.testing.assert_allclose(dw, expected, rtol=1e-11)


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


@pytest.fixture
def wide(monkeypatch):
    """Wide kernels of any size are done by this algorithm."""
    decisions = winograd.suits_forward, winograd.suits_data, winograd.suits_weights
    monkeypatch.setattr(winograd, "PAYS", 1e9)
    for decide in decisions:
        decide.cache_clear()
    yield
    for decide in decisions:
        decide.cache_clear()


@pytest.mark.parametrize("way", ["apart", "together"])
@pytest.mark.parametrize("case", WIDE)
def test_wide_kernels_against_the_reference(case, way, request, wide):
    request.getfixturevalue(way)
    geo = WIDE[case]
    assert winograd.suits_forward(geo)
    assert winograd.suits_data(geo)
    assert winograd.suits_weights(geo)
    found, wanted = run(CpuOps(), geo), run(NumpyOps(), geo, np.float64)
    for name in NAMES:
        error = np.abs(found[name] - wanted[name]).max() / np.abs(wanted[name]).max()
        assert error < TOLERANCE, name


def test_wide_kernels_write_nothing_beyond_an_array(wide, monkeypatch):
    guard, geo = Guards(), WIDE["wide_odd"]
    for module in ("threads", "winograd.gradient"):
        where = f"netspec.backends.cpu.{module}.buffer"
        monkeypatch.setattr(where, lambda name, size: guard.scratch()(name, size))
    a = Arrays(geo, np.float32)
    for name, value in vars(a).items():
        setattr(a, name, guard.array(name, value))
    CpuOps().convolution_forward(a.x, a.w, a.b, a.y, geo)
    CpuOps().convolution_backward(a.x, a.w, a.dy, a.dx, a.dw, a.db, geo)
    assert guard.broken() == []


@pytest.mark.parametrize("case", WIDE)
def test_wide_kernels_have_the_same_bits_for_any_number_of_threads(case, wide):
    before, results = threads.count(), []
    try:
        for number in (1, 2, 5):
            threads.set_count(number)
            found = run(CpuOps(), WIDE[case])
            results.append({k: v.tobytes() for k, v in found.items()})
    finally:
        threads.set_count(before)
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize(
    ("fields", "passes"),
    [
        # The convolutions of cifar10_quick, LeNet and AlexNet.
        ((25, 32, 32, (16, 16), (5, 5), ONE, (2, 2), ONE), "forward data weights"),
        ((25, 32, 64, (8, 8), (5, 5), ONE, (2, 2), ONE), "forward data weights"),
        ((25, 3, 32, (32, 32), (5, 5), ONE, (2, 2), ONE), ""),
        ((16, 20, 50, (12, 12), (5, 5), ONE, (0, 0), ONE), "forward"),
        ((16, 96, 256, (27, 27), (5, 5), ONE, (2, 2), ONE, 2), "forward data weights"),
        ((16, 32, 32, (16, 16), (5, 5), (2, 2), (2, 2), ONE), ""),
        ((16, 32, 32, (16, 16), (5, 5), ONE, (2, 2), (2, 2)), ""),
        ((2, 48, 128, (7, 7), (5, 5), ONE, (2, 2), ONE), ""),
    ],
)
def test_wide_kernels_are_done_where_it_pays(fields, passes):
    geo = Geometry(*fields)
    assert winograd.suits_forward(geo) is ("forward" in passes)
    assert winograd.suits_data(geo) is ("data" in passes)
    assert winograd.suits_weights(geo) is ("weights" in passes)


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
