"""The direct data gradient in every way, whichever the geometry would choose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.backends.base import ConvolutionGeometry as Geometry
from netspec.backends.cpu import CpuOps, threads
from netspec.backends.cpu.direct import data_gradient, phases
from netspec.backends.cpu.direct.folding import fold_back
from netspec.backends.cpu.direct.gathering import gather_gradients as gather
from netspec.backends.cpu.direct.scattering import scatter
from netspec.backends.numpy_ops import NumpyOps
from tests.backends.convolution_cases import CASES, Arrays
from tests.backends.test_bounds import geometries

# batch, channels, filters, input, kernel, stride, pad, dilation, group
MORE = {
    "many_filters": Geometry(2, 17, 150, (6, 5), (3, 2), (1, 1), (1, 1), (1, 1)),
    "many_channels": Geometry(2, 101, 9, (6, 7), (3, 2), (2, 1), (1, 0), (1, 1)),
    "no_pad": Geometry(3, 20, 50, (12, 11), (5, 5), (1, 1), (0, 0), (1, 1)),
    "stride_of_many": Geometry(2, 16, 12, (9, 17), (4, 5), (3, 2), (1, 2), (1, 1)),
    "dilated": Geometry(2, 19, 8, (11, 14), (3, 3), (2, 3), (2, 3), (3, 2)),
    "skips": Geometry(2, 20, 30, (9, 11), (1, 1), (2, 3), (0, 0), (1, 1), 2),
    "skips_padded": Geometry(2, 20, 9, (5, 7), (1, 1), (2, 3), (1, 1), (1, 1)),
    "one_by_one": Geometry(3, 37, 20, (9, 11), (1, 1), (1, 1), (0, 0), (1, 1)),
    "one_by_one_many": Geometry(3, 37, 230, (9, 11), (1, 1), (1, 1), (0, 0), (1, 1)),
    "long_line": Geometry(2, 9, 30, (340,), (5,), (1,), (2,), (1,)),
    "flat": Geometry(2, 18, 9, (3, 90), (3, 7), (1, 2), (1, 3), (1, 1)),
    "volume": Geometry(2, 18, 9, (5, 4, 6), (2, 3, 2), (2, 1, 1), (1, 1, 0), (2, 1, 1)),
    "seen_by_none": Geometry(2, 16, 9, (2, 7), (1, 2), (5, 3), (1, 0), (1, 1)),
}
EVERY = {k: g for k, g in {**CASES, **MORE}.items() if len(g.input) <= 3}
WAYS = {"gather": gather, "scatter": scatter, "fold_back": fold_back}


def wanted(geo: Geometry, a: Arrays) -> np.ndarray:
    dx = np.full_like(a.dx, np.nan)
    NumpyOps().convolution_backward_data(a.dy, a.w, dx, geo)
    return dx


def check(found: np.ndarray, value: np.ndarray) -> None:
    # Sums of at most 4000 products of about 1.
    tolerance = 5e-6 * np.abs(value).max()
    np.testing.assert_allclose(found, value, rtol=5e-6, atol=tolerance)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("geo", EVERY.values(), ids=EVERY)
def test_every_way_is_the_gradient(geo, way):
    a = Arrays(geo, np.float32)
    way(a.dy, a.w, a.dx, geo)
    check(a.dx, wanted(geo, a))


@pytest.mark.parametrize("geo", EVERY.values(), ids=EVERY)
def test_the_way_that_is_chosen_is_the_gradient(geo):
    a = Arrays(geo, np.float32)
    data_gradient.backward_data(a.dy, a.w, a.dx, geo)
    check(a.dx, wanted(geo, a))


@pytest.mark.parametrize("name", ["stride_of_many", "no_pad", "volume", "skips"])
def test_small_regions_make_the_same_sums(name, monkeypatch):
    a = Arrays(EVERY[name], np.float32)
    gather(a.dy, a.w, a.dx, EVERY[name])
    whole = a.dx.copy()
    for constants in ({"POSITIONS": 20}, {"PACKED": 500}, {"TASKS": 1000}):
        with monkeypatch.context() as patch:
            for constant, value in constants.items():
                patch.setattr(phases, constant, value)
            phases.of_inputs.cache_clear()
            gather(a.dy, a.w, a.dx, EVERY[name])
        np.testing.assert_array_equal(a.dx, whole)
    phases.of_inputs.cache_clear()


@settings(max_examples=150, deadline=None)
@given(geometries(), st.sampled_from(list(WAYS)))
def test_any_geometry(geo, name):
    a = Arrays(geo, np.float32)
    WAYS[name](a.dy, a.w, a.dx, geo)
    check(a.dx, wanted(geo, a))


def test_any_number_of_workers_gives_the_same_bits(monkeypatch):
    monkeypatch.setattr(threads, "LEAST_WORK", 1)
    for geo in MORE.values():
        a, found = Arrays(geo, np.float32), []
        for number in (1, 2, 5):
            monkeypatch.setattr(threads, "_count", number)
            CpuOps(exact=True).convolution_backward_data(a.dy, a.w, a.dx, geo)
            found.append(a.dx.copy())
        np.testing.assert_array_equal(found[0], found[1])
        np.testing.assert_array_equal(found[0], found[2])
