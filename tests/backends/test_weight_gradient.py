"""The direct weight gradient, however it is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.backends.base import ConvolutionGeometry as Geometry
from netspec.backends.cpu import CpuOps, threads
from netspec.backends.cpu.direct import weight_cut as cutting
from netspec.backends.numpy_ops import NumpyOps
from tests.backends.convolution_cases import CASES, Arrays
from tests.backends.test_bounds import geometries

# batch, channels, filters, input, kernel, stride, pad, dilation, group
MORE = {
    "one_channel": Geometry(3, 1, 20, (11, 13), (5, 5), (1, 1), (0, 1), (1, 1)),
    "few_channels": Geometry(2, 3, 33, (23, 19), (7, 5), (4, 3), (2, 1), (1, 1)),
    "many_channels": Geometry(2, 117, 9, (6, 7), (3, 2), (1, 1), (1, 0), (1, 1)),
    "many_filters": Geometry(2, 5, 301, (5, 4), (2, 1), (1, 1), (1, 0), (1, 1)),
    "wide_dilation": Geometry(2, 21, 5, (9, 14), (2, 3), (1, 2), (1, 2), (1, 2)),
    "small_planes": Geometry(9, 19, 50, (5, 4), (2, 3), (1, 1), (1, 1), (1, 1)),
    "one_by_one_turned": Geometry(3, 70, 18, (9, 13), (1, 1), (1, 1), (0, 0), (1, 1)),
    "one_by_one_skips": Geometry(3, 50, 21, (9, 23), (1, 1), (2, 3), (0, 0), (1, 1)),
    "long_lines": Geometry(1, 2, 7, (3, 700), (2, 5), (1, 2), (1, 3), (1, 1)),
    "volume": Geometry(2, 18, 9, (5, 4, 6), (2, 3, 2), (2, 1, 1), (1, 1, 0), (2, 1, 1)),
}
EVERY = {**CASES, **MORE}
# Which constants of the cutting are changed: as it is; one part, small blocks; parts.
CUTS = {
    "usual": {},
    "blocks": {"FEW": 0, "PARTS": 0, "SUMS": 64, "PACKED": 300, "NEAR": 700},
    "parts": {"FEW": 1 << 30, "PARTS": 1 << 30, "NEAR": 600},
}


@pytest.fixture
def cut(monkeypatch):
    """Changes constants for one test."""

    def change(**values: int) -> None:
        cutting.weight_cut.cache_clear()
        for name, value in values.items():
            monkeypatch.setattr(cutting, name, value)

    yield change
    cutting.weight_cut.cache_clear()


def gradient(ops, geo: Geometry, a: Arrays) -> np.ndarray:
    dw = a.dw.copy()
    ops.convolution_backward_weights(a.x, a.dy, dw, geo)
    return dw


@pytest.mark.parametrize("values", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("geo", EVERY.values(), ids=EVERY)
def test_however_it_is_cut_it_is_the_gradient(geo, values, cut):
    cut(**values)
    a = Arrays(geo, np.float32)
    found, wanted = gradient(CpuOps(exact=True), geo, a), gradient(NumpyOps(), geo, a)
    # Sums of at most 3000 products of about 1.
    tolerance = 2e-6 * np.abs(wanted).max() * np.sqrt(geo.batch * 10)
    np.testing.assert_allclose(found, wanted, rtol=5e-6, atol=tolerance)


@pytest.mark.parametrize("stacked", [False, True], ids=["apart", "stacked"])
@pytest.mark.parametrize("name", ["dilation", "few_channels", "volume", "group"])
def test_lines_are_stacked_or_not(name, stacked, cut, monkeypatch):
    cut()
    monkeypatch.setattr(cutting, "_is_stacked", lambda geo, f: stacked)
    a = Arrays(EVERY[name], np.float32)
    found = gradient(CpuOps(exact=True), EVERY[name], a)
    np.testing.assert_allclose(
        found, gradient(NumpyOps(), EVERY[name], a), rtol=1e-5, atol=1e-4
    )


@pytest.mark.parametrize("values", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("name", ["few_channels", "one_by_one_turned", "small_planes"])
def test_the_sum_is_complete_before_it_is_added(name, values, cut):
    cut(**values)
    a = Arrays(EVERY[name], np.float32)
    total = gradient(CpuOps(exact=True), EVERY[name], a)
    before, a.dw = a.dw, np.zeros_like(a.dw)
    alone = gradient(CpuOps(exact=True), EVERY[name], a)
    np.testing.assert_array_equal(total, before + alone)


@pytest.mark.parametrize("values", CUTS.values(), ids=CUTS)
def test_any_number_of_workers_gives_the_same_bits(values, cut, monkeypatch):
    cut(**values)
    monkeypatch.setattr(threads, "LEAST_WORK", 1)
    found = []
    for number in (1, 2, 5):
        monkeypatch.setattr(threads, "_count", number)
        for geo in MORE.values():
            found.append((geo, gradient(CpuOps(exact=True), geo, Arrays(geo, "f4"))))
    for geo, value in found:
        first = next(one for known, one in found if known == geo)
        np.testing.assert_array_equal(value, first)


@settings(max_examples=200, deadline=None)
@given(geometries(), st.sampled_from(list(CUTS)))
def test_every_weight_has_one_lane(geo, which):
    before = {name: getattr(cutting, name) for name in CUTS["blocks"]}
    cutting.weight_cut.cache_clear()
    try:
        for name, value in CUTS[which].items():
            setattr(cutting, name, value)
        taps = cutting.weight_cut(geo).taps
    finally:
        cutting.weight_cut.cache_clear()
        for name, value in before.items():
            setattr(cutting, name, value)
    assert sorted(taps[taps >= 0].tolist()) == list(range(geo.taps))
