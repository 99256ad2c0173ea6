"""A convolution and what comes after it: the bits of one operation after another."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.base import ConvolutionGeometry as Geometry
from netspec.backends.base import Epilogue, PoolingGeometry
from netspec.backends.cpu import CpuOps
from netspec.backends.cpu.winograd import products
from netspec.backends.numpy_ops import NumpyOps

# batch, channels, filters, input, kernel, stride, pad, dilation, group
WINOGRAD = Geometry(3, 19, 37, (22, 18), (3, 3), (1, 1), (1, 1), (1, 1))
GEOMETRIES = {
    "winograd": WINOGRAD,
    "winograd, wide": Geometry(2, 32, 32, (22, 18), (5, 5), (1, 1), (2, 1), (1, 1)),
    "groups": Geometry(2, 18, 34, (17, 13), (3, 3), (1, 1), (0, 2), (1, 1), 2),
    "strided": Geometry(2, 5, 21, (23, 19), (5, 3), (2, 1), (1, 2), (1, 1)),
    "pointwise": Geometry(2, 33, 18, (9, 7), (1, 1), (1, 1), (0, 0), (1, 1)),
    "depthwise": Geometry(2, 6, 6, (13, 11), (3, 3), (2, 1), (1, 0), (1, 1), 6),
    "crossing images": Geometry(5, 9, 21, (5, 5), (1, 1), (1, 1), (0, 0), (1, 1)),
    "gathered": Geometry(2, 17, 32, (33, 12), (3, 3), (2, 1), (1, 1), (1, 1)),
    "few filters": Geometry(2, 2, 5, (40, 9), (1, 1), (1, 1), (0, 0), (1, 1)),
    "volume": Geometry(1, 3, 4, (4, 5, 6), (2, 3, 1), (1, 2, 1), (0, 1, 2), (2, 1, 1)),
}


class Arrays:
    """Inputs, weights and what an epilogue takes; two outputs are NaN and infinite."""

    def __init__(self, geo: Geometry, dtype: str) -> None:
        rng = np.random.default_rng(7)

        def drawn(*shape: int) -> np.ndarray:
            return rng.standard_normal(shape).astype(dtype)

        self.x = drawn(geo.batch, geo.channels, *geo.input)
        self.x[0, 0, 1, 2] = np.nan
        self.w = drawn(geo.filters, geo.channels // geo.group, *geo.kernel)
        self.b, self.mean, self.scale, self.shift = (
            drawn(geo.filters) for _ in range(4)
        )
        self.variance = drawn(geo.filters) ** 2
        self.other = drawn(geo.batch, geo.filters, *geo.output)
        self.other[0, 0, 0, 0] = np.nan
        self.other[-1, -1, -1, -1] = np.inf
        self.y = np.full((geo.batch, geo.filters, *geo.output), np.nan, dtype)


EPILOGUES = {
    "nothing": lambda a: Epilogue(),
    "relu": lambda a: Epilogue(relu=True),
    "normalised": lambda a: Epilogue(a.mean, a.variance, 0.3),
    "normalised, relu": lambda a: Epilogue(a.mean, a.variance, 0.3, relu=True),
    "scaled": lambda a: Epilogue(scale=a.scale),
    "scaled and shifted": lambda a: Epilogue(scale=a.scale, shift=a.shift, relu=True),
    "all": lambda a: Epilogue(a.mean, a.variance, 0.3, a.scale, a.shift, relu=True),
    "added": lambda a: Epilogue(other=a.other),
    "added, relu": lambda a: Epilogue(other=a.other, relu=True),
    "all and added": lambda a: Epilogue(
        a.mean, a.variance, 0.3, a.scale, a.shift, a.other, relu=True
    ),
}


def one_by_one(ops, geo: Geometry, a: Arrays, after: Epilogue) -> np.ndarray:
    y = a.y.copy()
    ops.convolution_forward(a.x, a.w, a.b, y, geo)
    flat = y.reshape(geo.batch, geo.filters, -1)
    if after.mean is not None:
        ops.batch_norm(y, after.mean, after.variance, after.eps, y)
    if after.scale is not None:
        ops.affine(flat, after.scale, after.shift, flat)
    if after.other is not None:
        ops.eltwise_sum((after.other, y.copy()), y, (1, 1))
    if after.relu:
        ops.relu(y, y)
    return y


def bits(y: np.ndarray) -> np.ndarray:
    """Zeros and infinities with their signs; all NaN alike."""
    return np.where(np.isnan(y), 1, y.view(f"u{y.itemsize}"))


@pytest.fixture(params=["apart", "together"])
def way(request, monkeypatch):
    """Both ways of Winograd's products."""
    together = request.param == "together"
    monkeypatch.setattr(products, "LARGE_WEIGHTS", 0 if together else 1 << 30)


@pytest.mark.parametrize("after", EPILOGUES)
@pytest.mark.parametrize("case", GEOMETRIES)
@pytest.mark.parametrize(
    ("ops", "dtype"), [(CpuOps(), "float32"), (NumpyOps(), "float64")]
)
def test_an_epilogue_equals_separate_operations(case, after, ops, dtype, way):
    geo = GEOMETRIES[case]
    a = Arrays(geo, dtype)
    epilogue = EPILOGUES[after](a)
    expected = one_by_one(ops, geo, a, epilogue)
    ops.convolution_forward(a.x, a.w, a.b, a.y, geo, epilogue)
    np.testing.assert_array_equal(bits(a.y), bits(expected))
    assert np.isnan(a.y).any()
    assert np.isfinite(a.y).any()


@pytest.mark.parametrize("after", [name for name in EPILOGUES if "added" in name])
@pytest.mark.parametrize("case", GEOMETRIES)
@pytest.mark.parametrize(
    ("ops", "dtype"), [(CpuOps(), "float32"), (NumpyOps(), "float64")]
)
def test_what_is_added_may_lie_where_the_outputs_come_to_lie(
    case, after, ops, dtype, way
):
    geo = GEOMETRIES[case]
    a = Arrays(geo, dtype)
    epilogue = EPILOGUES[after](a)
    expected = one_by_one(ops, geo, a, epilogue)
    ops.convolution_forward(a.x, a.w, a.b, a.other, geo, epilogue)
    np.testing.assert_array_equal(bits(a.other), bits(expected))
    assert ops.adds_to_convolution()


@pytest.mark.parametrize("after", ["nothing", "all"])
@pytest.mark.parametrize("case", GEOMETRIES)
@pytest.mark.parametrize(
    ("ops", "dtype"), [(CpuOps(), "float32"), (NumpyOps(), "float64")]
)
def test_outputs_may_be_some_channels_of_a_larger_array(case, after, ops, dtype, way):
    """Those of others stay as they are."""
    geo = GEOMETRIES[case]
    if not ops.parts_convolution(geo, dtype):
        assert case in ("groups", "few filters", "depthwise", "volume")
        return
    a = Arrays(geo, dtype)
    epilogue = EPILOGUES[after](a)
    ops.convolution_forward(a.x, a.w, a.b, a.y, geo, epilogue)
    whole = np.full((geo.batch, geo.filters + 7, *geo.output), 5, dtype)
    part = whole[:, 3 : 3 + geo.filters]
    ops.convolution_forward(a.x, a.w, a.b, part, geo, epilogue)
    np.testing.assert_array_equal(bits(part), bits(a.y))
    assert (whole[:, :3] == 5).all()
    assert (whole[:, 3 + geo.filters :] == 5).all()


@pytest.mark.parametrize("placed", [False, True])
@pytest.mark.parametrize("after", ["nothing", "relu", "all"])
@pytest.mark.parametrize("size", [(22, 18), (23, 18), (22, 19)])
def test_pooling_equals_a_pooling_afterwards(after, size, placed, way):
    geo = Geometry(3, 19, 37, size, (3, 3), (1, 1), (1, 1), (1, 1))
    output = (size[0] // 2, size[1] // 2)
    pooling = PoolingGeometry(3, 37, size, output, (2, 2), (2, 2), (0, 0))
    ops, a = CpuOps(), Arrays(geo, "float32")
    assert ops.pools_convolution(geo, pooling, "float32", placed)
    epilogue = EPILOGUES[after](a)
    whole = one_by_one(ops, geo, a, epilogue)
    expected = np.empty((3, 37, *output), np.float32)
    places = np.full(expected.shape, 9, np.uint8)
    ops.max_pool(whole, expected, places, pooling)
    found = np.full_like(expected, np.nan)
    epilogue.pool = True
    if placed:
        epilogue.places = np.full_like(places, 9)
    ops.convolution_forward(a.x, a.w, a.b, found, geo, epilogue)
    if placed:
        np.testing.assert_array_equal(epilogue.places, places)
        assert set(np.unique(places)) == {0, 1, 2, 3, 4}  # 4: all are NaN
    np.testing.assert_array_equal(found.view("u4"), expected.view("u4"))


def test_a_batch_that_becomes_small_is_pooled_as_well():
    """Fewer tiles than Winograd is chosen for: the plan was made for more."""
    geo = Geometry(1, 8, 9, (6, 4), (3, 3), (1, 1), (1, 1), (1, 1))
    pooling = PoolingGeometry(1, 9, (6, 4), (3, 2), (2, 2), (2, 2), (0, 0))
    ops, a = CpuOps(), Arrays(geo, "float32")
    a.x[0, 0, 1, 2] = 0
    assert not ops.pools_convolution(geo, pooling, "float32")
    found, expected = (np.full((1, 9, 3, 2), np.nan, np.float32) for _ in range(2))
    ops.convolution_forward(a.x, a.w, a.b, a.y, geo)
    ops.max_pool(a.y, expected, None, pooling)
    ops.convolution_forward(a.x, a.w, a.b, found, geo, Epilogue(pool=True))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("output", "kernel", "stride", "pad", "dtype"),
    [
        ((11, 9), (3, 3), (2, 2), (0, 0), "float32"),
        ((21, 17), (2, 2), (1, 1), (0, 0), "float32"),
        ((12, 10), (2, 2), (2, 2), (1, 1), "float32"),
        ((12, 9), (2, 2), (2, 2), (0, 0), "float32"),
        ((11, 9), (2, 2), (2, 2), (0, 0), "float64"),
    ],
)
def test_other_poolings_are_not_fused(output, kernel, stride, pad, dtype):
    pooling = PoolingGeometry(3, 37, (22, 18), output, kernel, stride, pad)
    assert not CpuOps().pools_convolution(WINOGRAD, pooling, dtype)
    assert not NumpyOps().pools_convolution(WINOGRAD, pooling, dtype)


def test_only_tiles_can_be_pooled():
    pooling = PoolingGeometry(3, 37, (22, 18), (11, 9), (2, 2), (2, 2), (0, 0))
    assert CpuOps().pools_convolution(WINOGRAD, pooling, "float32")
    assert not CpuOps(exact=True).pools_convolution(WINOGRAD, pooling, "float32")
