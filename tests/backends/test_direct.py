"""Direct convolution in both ways: each worker alone, and all on one chunk."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.base import ConvolutionGeometry as Geometry
from netspec.backends.base import Epilogue
from netspec.backends.cpu import CpuOps
from netspec.backends.cpu.direct import products
from netspec.backends.cpu.vectors import LANES, ROWS
from netspec.backends.numpy_ops import NumpyOps
from tests.backends.convolution_cases import CASES, Arrays

MORE = {
    "few_filters": Geometry(2, 12, 6, (9, 11), (2, 3), (1, 1), (1, 0), (1, 1), 2),
    "odd_filters": Geometry(3, 9, 61, (7, 13), (3, 2), (1, 2), (0, 1), (1, 1)),
    "many_taps": Geometry(1, 70, 19, (5, 9), (2, 2), (1, 1), (1, 1), (1, 1)),
}


def run(ops, geo):
    a = Arrays(geo, np.float32)
    after = Epilogue(relu=True, scale=a.b, shift=a.db)
    ops.convolution_forward(a.x, a.w, a.b, a.y, geo, after)
    ops.convolution_backward_data(a.dy, a.w, a.dx, geo)
    return {"y": a.y, "dx": a.dx}


@pytest.mark.parametrize("large", [False, True], ids=["apart", "together"])
@pytest.mark.parametrize("case", [*MORE, *CASES])
def test_both_ways_are_the_convolution(case, large, monkeypatch):
    geo = {**CASES, **MORE}[case]
    monkeypatch.setattr(products, "LARGE_WEIGHTS", 0 if large else 1 << 60)
    monkeypatch.setattr(products, "CHUNK", LANES)
    monkeypatch.setattr(products, "CHUNK_TAPS", 5)
    monkeypatch.setattr(products, "BLOCK", 2 * ROWS)
    found, wanted = run(CpuOps(exact=True), geo), run(NumpyOps(), geo)
    for name, value in wanted.items():
        # Sums of at most 900 products of about 1.
        tolerance = 5e-6 * np.abs(value).max()
        np.testing.assert_allclose(found[name], value, rtol=5e-6, atol=tolerance)


@pytest.mark.parametrize("filters", [8, 9, 63, 64, 65, 70, 129, 3781, 3969])
def test_blocks_of_filters_are_whole_tiles_at_least(filters):
    size = products.block_size(filters)
    assert ROWS <= size <= products.BLOCK
    assert filters % size == 0 or filters % size >= ROWS
