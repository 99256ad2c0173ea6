"""Convolution and deconvolution by every algorithm, against the reference."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.base import ConvolutionGeometry as Geometry
from netspec.backends.base import Epilogue, PoolingGeometry
from netspec.backends.numpy_ops import NumpyOps
from tests.backends.convolution_cases import CASES, Arrays
from tests.cudasim.convolutions import TOLERANCE, everything, only, suitable_cases

ONE = (1, 1)
# Several tiles of rows and of columns, and several parts of a weight gradient.
LARGE = {
    "tiles": Geometry(3, 17, 150, (9, 10), (3, 3), ONE, (1, 1), ONE),
    "strided": Geometry(2, 70, 9, (19, 15), (5, 3), (2, 1), (2, 1), ONE),
    "groups": Geometry(2, 22, 140, (11, 7), (3, 2), (1, 2), (1, 0), ONE, 2),
    "whole_vectors": Geometry(2, 24, 72, (8, 10), (1, 1), ONE, (0, 0), ONE),
}
IMPLICIT = ("implicit_64", "implicit_128")


def identify(value):
    return value if isinstance(value, str) else ""


@pytest.mark.parametrize("case", CASES)
def test_what_the_geometry_chooses(case, machine):
    machine.agree(lambda ops: everything(ops, CASES[case]), TOLERANCE)


@pytest.mark.parametrize(
    ("case", "geo", "name"), suitable_cases(CASES, *IMPLICIT, "columns"), ids=identify
)
def test_algorithm(case, geo, name, machine):
    machine.ops = only(name)
    machine.agree(lambda ops: everything(ops, geo), TOLERANCE)


@pytest.mark.parametrize(
    ("case", "geo", "name"), suitable_cases(LARGE, *IMPLICIT, "columns"), ids=identify
)
def test_large(case, geo, name, machine):
    machine.ops = only(name)
    machine.agree(lambda ops: everything(ops, geo), TOLERANCE)


@pytest.mark.parametrize("precision", ["tf32", "fp16"])
@pytest.mark.parametrize(
    ("case", "geo", "name"), suitable_cases(LARGE, *IMPLICIT), ids=identify
)
def test_tensor_cores(case, geo, name, precision, machine):
    machine.ops = only(name, precision=precision)
    machine.agree(lambda ops: everything(ops, geo, precision), TOLERANCE)


@pytest.mark.parametrize("precision", ["tf32", "fp16"])
@pytest.mark.parametrize("case", ["tiles", "groups"])
def test_wide_tiles(case, precision, machine, monkeypatch):
    """Of few positions no tile is wide by itself."""
    monkeypatch.setattr("netspec.backends.cuda.convolution.implicit.BLOCKS", 1)
    machine.ops = only("implicit_64", precision=precision)
    machine.agree(lambda ops: everything(ops, LARGE[case], precision), TOLERANCE)


@pytest.mark.parametrize("precision", ["tf32", "fp16"])
@pytest.mark.parametrize("case", ["volume", "group", "no_axes"])
def test_columns_on_tensor_cores(case, precision, machine):
    machine.ops = only("columns", precision=precision)
    machine.agree(lambda ops: everything(ops, CASES[case], precision), TOLERANCE)


SMALL_GROUPS = {k: CASES[k] for k in ("depthwise", "depthwise_twice", "pairs", "line")}
SMALL_GROUPS |= {
    "many": Geometry(2, 9, 9, (41, 53), (3, 3), ONE, (1, 1), ONE, 9),
}


@pytest.mark.parametrize("case", SMALL_GROUPS)
def test_plain_sums(case, machine):
    machine.ops = only("depthwise")
    machine.agree(lambda ops: everything(ops, SMALL_GROUPS[case]), TOLERANCE)


@pytest.mark.parametrize("name", ["implicit_64", "columns"])
@pytest.mark.parametrize("case", ["stride", "group", "dilation", "line", "depthwise"])
def test_deconvolution(case, name, machine):
    geo = CASES[case]
    machine.ops = only(name)

    def call(ops):
        a = Arrays(geo, np.float32)
        bias = a.x[0].reshape(geo.channels, -1)[:, 0].copy()
        ops.deconvolution_forward(a.dy, a.w, bias, a.dx, geo)
        below, db = np.full_like(a.dy, np.nan), bias.copy()
        ops.deconvolution_backward(a.dy, a.w, a.x, below, a.dw, db, geo)
        return a.dx, below, a.dw, db

    machine.agree(call, TOLERANCE)


EPILOGUES = {
    "normalised": lambda a: Epilogue(a.b, a.b**2, 0.3),
    "scaled": lambda a: Epilogue(scale=a.db),
    "shifted": lambda a: Epilogue(shift=a.db, relu=True),
    "all": lambda a: Epilogue(a.b, a.b**2, 0.3, a.db, a.b[::-1].copy(), relu=True),
}
FINISHED = [
    ("implicit_64", "fp32", "stride"),
    ("implicit_128", "tf32", "pad"),
    ("depthwise", "fp32", "depthwise"),
    ("columns", "fp32", "volume"),
]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("after", EPILOGUES)
@pytest.mark.parametrize(("name", "precision", "case"), FINISHED)
def test_epilogue(name, precision, case, after, bias, machine):
    geo = CASES[case]
    machine.ops = only(name, precision=precision)

    def call(ops):
        a = Arrays(geo, np.float32)
        b = a.db.copy() if bias else None
        ops.convolution_forward(a.x, a.w, b, a.y, geo, EPILOGUES[after](a))
        return [a.y]

    machine.agree(call, TOLERANCE if precision == "fp32" else 2e-3)


@pytest.mark.parametrize("size", [(8, 12), (9, 11)])
@pytest.mark.parametrize(
    ("name", "precision", "blocks"),
    [
        ("implicit_64", "fp32", 512),
        ("implicit_128", "fp32", 512),
        ("implicit_64", "tf32", 512),
        ("implicit_64", "tf32", 1),
        ("implicit_128", "fp16", 512),
        ("winograd", "fp32", 512),
    ],
)
def test_pooling_equals_a_pooling_afterwards(
    size, name, precision, blocks, machine, monkeypatch
):
    monkeypatch.setattr("netspec.backends.cuda.convolution.implicit.BLOCKS", blocks)
    geo = Geometry(2, 5, 7, size, (3, 3), ONE, (1, 1), ONE)
    output = (size[0] // 2, size[1] // 2)
    pooling = PoolingGeometry(2, 7, size, output, (2, 2), (2, 2), (0, 0))
    machine.ops = only(name, precision=precision)
    assert machine.ops.ops.pools_convolution(geo, pooling, "float32")

    def call(ops):
        a = Arrays(geo, np.float32)
        if name != "winograd":  # whose whole tile it would be
            a.x[1, :, 2, 3] = np.nan
        pooled = np.full((2, 7, *output), np.nan, np.float32)
        fused = ops.name != "numpy"
        after = Epilogue(scale=a.db, relu=True, pool=fused)
        ops.convolution_forward(a.x, a.w, a.b, pooled if fused else a.y, geo, after)
        if not fused:
            ops.max_pool(a.y, pooled, None, pooling)
        return [pooled]

    machine.agree(call, 2e-5 if precision == "fp32" else 2e-3)


@pytest.mark.parametrize(
    ("geo", "pooling", "dtype"),
    [
        (CASES["pad"], ((3, 3), (2, 2), (0, 0)), "float32"),
        (CASES["pad"], ((2, 2), (2, 2), (1, 1)), "float32"),
        (CASES["pad"], ((2, 2), (2, 2), (0, 0)), "float64"),
        (CASES["depthwise"], ((2, 2), (2, 2), (0, 0)), "float32"),
        (CASES["line"], ((2,), (2,), (0,)), "float32"),
        (CASES["volume"], ((2, 2), (2, 2), (0, 0)), "float32"),
    ],
)
def test_other_poolings_are_not_fused(geo, pooling, dtype, machine):
    output = tuple(n // 2 for n in geo.output)
    window = PoolingGeometry(geo.batch, geo.filters, geo.output, output, *pooling)
    assert not machine.ops.ops.pools_convolution(geo, window, dtype)


@pytest.mark.parametrize("name", [*IMPLICIT, "depthwise", "columns", "winograd"])
def test_no_image_at_all(name, machine):
    geo = Geometry(0, 2, 3, (5, 7), (3, 3), ONE, (1, 1), ONE)
    machine.ops = only(name)
    machine.agree(lambda ops: everything(ops, geo), TOLERANCE)


def test_nan_of_a_padded_element_is_not_met(machine):
    """Elements that only fill a slab meet zeros, never a neighbour's NaN."""
    geo = Geometry(1, 3, 2, (6, 5), (2, 2), ONE, (0, 0), ONE)
    machine.ops = only("implicit_64")
    a = Arrays(geo, np.float32)
    a.x[0, :, 3, 2] = np.nan
    machine.ops.convolution_forward(a.x, a.w, a.b, a.y, geo)
    expected = np.full_like(a.y, np.nan)
    NumpyOps().convolution_forward(a.x, a.w, a.b, expected, geo)
    np.testing.assert_array_equal(np.isnan(a.y), np.isnan(expected))
    assert np.isnan(a.y).sum() == 2 * 4


@pytest.mark.parametrize("case", ["plain", "dilation", "stride", "four_axes"])
def test_columns_of_im2col(case, machine):
    geo = CASES[case]
    taps = int(np.prod(geo.kernel))

    def call(ops):
        a = Arrays(geo, np.float32)
        y = np.full((geo.batch, geo.channels * taps, *geo.output), np.nan, np.float32)
        ops.image_to_columns(a.x, y, geo)
        ops.columns_to_image(np.sin(y * 3), a.dx, geo)
        return y, a.dx

    machine.agree(call, TOLERANCE)


@pytest.mark.parametrize("shape", [(3, 5, 7, 9), (4, 700, 1), (2, 3, 5000), (40, 3)])
def test_bias_and_its_gradient(shape, machine):
    def call(ops):
        rng = np.random.default_rng(4)
        y = rng.standard_normal(shape).astype(np.float32)
        b = rng.standard_normal(shape[1]).astype(np.float32)
        ops.channel_bias(y, b)
        ops.channel_sums(y, b)
        return y, b

    machine.agree(call, 1e-5)
