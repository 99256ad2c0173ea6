"""Kernels add complete sums, too: see :mod:`tests.layers.test_added_gradients`."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.base import ConvolutionGeometry as Geometry
from tests.cudasim.convolutions import only
from tests.layers.test_added_gradients import CASES, check_sums_are_complete

ONE = (1, 1)
LARGE = {"Convolution, Winograd in chunks", "InnerProduct in tiles"}  # for an emulator
WAYS = {
    "columns": Geometry(3, 4, 6, (5, 7), (3, 2), ONE, (1, 0), ONE, 2),
    "implicit_64": Geometry(3, 17, 70, (9, 10), (3, 3), ONE, (1, 1), ONE),
    "depthwise": Geometry(2, 3, 3, (41, 53), (3, 3), ONE, (1, 1), ONE, 3),
    "winograd": Geometry(11, 5, 6, (9, 11), (3, 3), ONE, (1, 1), ONE),
}


@pytest.mark.parametrize("case", sorted(CASES.keys() - LARGE))
def test_sums_are_complete_before_they_are_added(case, machine):
    check_sums_are_complete(case, machine.ops)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_convolve(way, machine, monkeypatch):
    """Of several parts, or runs of tiles."""
    from netspec.backends.cuda.convolution import winograd

    monkeypatch.setattr(winograd, "WORKSPACE", 36 * 64)
    ops, geo = only(way), WAYS[way]
    rng = np.random.default_rng(3)
    x, dy, dw = (
        rng.standard_normal(shape).astype(np.float32)
        for shape in (
            (geo.batch, geo.channels, *geo.input),
            (geo.batch, geo.filters, *geo.output),
            (geo.filters, geo.channels // geo.group, *geo.kernel),
        )
    )
    alone, both = np.zeros_like(dw), dw.copy()
    ops.convolution_backward_weights(x, dy, alone, geo)
    ops.convolution_backward_weights(x, dy, both, geo)
    assert np.count_nonzero(alone) == alone.size
    assert both.tobytes() == (dw + alone).tobytes()


@pytest.mark.parametrize("precision", ["tf32", "fp16"])
def test_products_on_tensor_cores(precision, machine):
    rng = np.random.default_rng(4)
    ops = only("columns", precision=precision)
    x, dy, dw = (
        rng.standard_normal(s).astype(np.float32) for s in ((90, 7), (90, 9), (9, 7))
    )
    alone, both = np.zeros_like(dw), dw.copy()
    ops.inner_product_backward_weights(x, dy, alone, None)
    ops.inner_product_backward_weights(x, dy, both, None)
    assert both.tobytes() == (dw + alone).tobytes()
