"""Direct convolution in both ways: each worker alone, and all on one chunk."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.base import ConvolutionGeometry as Geometry
from netspec.backends.base import Epilogue
from netspec.backends.cpu import CpuOps, direct, threads
from netspec.backends.cpu.direct import products
from netspec.backends.cpu.epilogue import finish
from netspec.backends.cpu.vectors import LANES, WIDTH
from netspec.backends.numpy_ops import NumpyOps
from tests.backends.convolution_cases import CASES, Arrays

MORE = {
    "few_filters": Geometry(2, 12, 6, (9, 11), (2, 3), (1, 1), (1, 0), (1, 1), 2),
    "odd_filters": Geometry(3, 9, 61, (7, 13), (3, 2), (1, 2), (0, 1), (1, 1)),
    "many_taps": Geometry(1, 70, 19, (5, 9), (2, 2), (1, 1), (1, 1), (1, 1)),
}


GATHERED = {
    "few_filters": MORE["few_filters"],
    "odd_filters": MORE["odd_filters"],
    "strided": Geometry(3, 3, 20, (27, 31), (7, 5), (4, 3), (0, 0), (1, 1)),
    "strided_padded": Geometry(3, 4, 66, (27, 31), (7, 5), (2, 3), (3, 1), (1, 1), 2),
    "dilated": Geometry(2, 5, 17, (13, 15), (3, 4), (1, 2), (2, 5), (3, 2)),
    "one_image": Geometry(1, 40, 33, (6, 5), (3, 3), (1, 1), (1, 1), (1, 1)),
    "wide": Geometry(1, 3, 16, (5, 600), (3, 5), (1, 1), (1, 2), (1, 1)),
    "line": Geometry(2, 6, 16, (301,), (5,), (2,), (2,), (1,)),
    "volume": Geometry(2, 4, 18, (4, 5, 6), (2, 3, 2), (1, 2, 1), (0, 1, 2), (2, 1, 1)),
    "one_layer": Geometry(
        2, 50, 18, (3, 5, 6), (3, 3, 2), (1, 1, 1), (0, 1, 2), (1,) * 3
    ),
    "one_tap": Geometry(3, 300, 101, (7, 7), (1, 1), (1, 1), (0, 0), (1, 1)),
    "one_tap_more": Geometry(5, 160, 34, (9, 7), (1, 1), (1, 1), (0, 0), (1, 1), 2),
    "one_tap_padded": Geometry(2, 48, 33, (5, 6), (1, 1), (1, 2), (1, 3), (1, 1), 3),
    "large_kernel": Geometry(1, 3, 40, (9, 9), (13, 15), (1, 1), (6, 8), (1, 1)),
    "wide_panels": Geometry(1, 3, 120, (67, 131), (3, 5), (2, 2), (1, 2), (1, 1)),
    "wide_plane": Geometry(1, 64, 33, (13, 17), (3, 3), (1, 1), (1, 1), (1, 1)),
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
    monkeypatch.setattr(products, "BLOCK", WIDTH)
    found, wanted = run(CpuOps(exact=True), geo), run(NumpyOps(), geo)
    for name, value in wanted.items():
        # Sums of at most 900 products of about 1.
        tolerance = 5e-6 * np.abs(value).max()
        np.testing.assert_allclose(found[name], value, rtol=5e-6, atol=tolerance)


@pytest.mark.parametrize("filters", [1, 8, 9, 63, 64, 65, 70, 129, 3781, 3969])
def test_blocks_of_filters_are_whole_panels(filters):
    size = products.block_size(filters)
    assert WIDTH <= size <= products.BLOCK
    assert size % WIDTH == 0


@pytest.mark.parametrize("after", ["bias", "all"])
@pytest.mark.parametrize("geo", GATHERED.values(), ids=GATHERED)
def test_filters_or_positions_in_lanes(geo, after, monkeypatch):
    a = Arrays(geo, np.float32)
    terms = {"relu": True, "scale": a.b, "shift": a.db, "mean": a.db}
    last = finish(geo.filters, a.b, None)
    if after == "all":
        last = finish(geo.filters, a.b, Epilogue(variance=a.b**2, eps=1e-5, **terms))
    direct.gather_outputs(a.x, a.w, a.y, geo, last)
    gathered = a.y.copy()
    monkeypatch.setattr(direct, "_gathers", lambda geo: False)
    direct.forward(a.x, a.w, a.y, geo, last)
    if len(geo.kernel) < 3:  # one order of sums
        np.testing.assert_array_equal(gathered, a.y)
    np.testing.assert_allclose(gathered, a.y, rtol=1e-5, atol=1e-4)


def test_large_convolutions_have_filters_in_lanes():
    assert direct._gathers(
        Geometry(16, 96, 256, (27, 27), (5, 5), (1, 1), (2, 2), (1, 1))
    )
    assert not direct._gathers(
        Geometry(16, 512, 4096, (1, 7), (1, 1), (1, 1), (0, 8), (1, 1))
    )


def test_small_planes_have_filters_in_lanes():
    """The weights are most of what is read."""
    for batch, gathers in ((1, True), (8, False)):
        geo = Geometry(batch, 512, 2048, (7, 7), (1, 1), (1, 1), (0, 0), (1, 1))
        assert direct._gathers(geo) == gathers
    assert direct._gathers(
        Geometry(1, 512, 4096, (7, 7), (7, 7), (1, 1), (0, 0), (1, 1))
    )
    assert not direct._gathers(
        Geometry(1, 99, 3, (7, 7), (3, 3), (1, 1), (1, 1), (1, 1))
    )


def test_workers_that_turn_weights_do_not_meet():
    """From whichever end they take the panels."""
    geo = Geometry(1, 64, 230, (7, 7), (3, 3), (1, 1), (1, 1), (1, 1), 2)
    a, ops = Arrays(geo, np.float32), CpuOps(exact=True)
    before = threads.count()
    found = set()
    for number in [1, *[2, 3] * 20]:
        threads.set_count(number)
        ops.convolution_forward(a.x, a.w, a.b, a.y, geo)
        found.add(a.y.tobytes())
    threads.set_count(before)
    assert len(found) == 1


def test_parts_of_a_chunk_do_not_meet():
    """Whatever the order in which workers unfold them."""
    geo = Geometry(2, 256, 64, (8, 8), (3, 3), (1, 1), (1, 1), (1, 1))
    a, ops = Arrays(geo, np.float32), CpuOps(exact=True)
    before = threads.count()
    found = set()
    for number in [1, *[2] * 100]:
        threads.set_count(number)
        ops.convolution_forward(a.x, a.w, a.b, a.y, geo)
        found.add(a.y.tobytes())
    threads.set_count(before)
    assert len(found) == 1
