"""What operations launched once is launched again, or known not to be all."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest

from netspec.backends import open_device
from netspec.backends.base import ConvolutionGeometry as Geometry
from netspec.backends.base import LrnWindow
from netspec.backends.cpu import CpuOps, scratch, threads
from netspec.random import Key
from tests.backends.convolution_cases import CASES, Arrays

# Such as other algorithms take: Winograd's, filters shared out, filters in vectors.
LARGE = {
    "winograd": Geometry(2, 8, 20, (13, 14), (3, 3), (1, 1), (1, 1), (1, 1)),
    "wide": Geometry(1, 400, 400, (5, 4), (1, 1), (1, 1), (0, 0), (1, 1)),
    "gathered": Geometry(1, 3, 32, (40, 40), (7, 7), (2, 2), (3, 3), (1, 1)),
    "fives": Geometry(2, 8, 16, (12, 12), (5, 5), (1, 1), (2, 2), (1, 1)),
}


def redraw(*arrays):
    rng = np.random.default_rng(9)
    for array in arrays:
        array[...] = rng.standard_normal(array.shape)


@pytest.mark.parametrize("name", [*CASES, *LARGE])
def test_a_convolution_is_done_again(name):
    geo = {**CASES, **LARGE}[name]
    a, ops = Arrays(geo, np.float32), CpuOps()
    taken, given = (a.x, a.w, a.b, a.dy), (a.y, a.dx, a.dw, a.db)

    def work(ops):
        ops.convolution_forward(a.x, a.w, a.b, a.y, geo)
        ops.convolution_backward(a.x, a.w, a.dy, a.dx, a.dw, a.db, geo)

    again = ops.recorded(work)
    if len(geo.input) > 3:
        assert again is None  # the reference's
        return
    redraw(*taken, a.dw, a.db)
    before = a.dw.copy(), a.db.copy()
    again()
    found = [array.copy() for array in given]
    a.dw[...], a.db[...] = before
    work(ops)
    for array, values in zip(given, found):
        np.testing.assert_array_equal(array, values)


@pytest.mark.parametrize("batch", [5, 40])  # by rows as they lie, and by BLAS
def test_an_inner_product_is_done_again(batch):
    x, w = np.zeros((batch, 30), "f"), np.zeros((700, 30), "f")
    y, dw = np.zeros((batch, 700), "f"), np.zeros_like(w)
    b, db, dx = (np.zeros(700, "f"), np.zeros(700, "f"), np.zeros_like(x))

    def work(ops):
        ops.inner_product_forward(x, w, b, y)
        ops.inner_product_backward_data(y, w, dx)
        ops.inner_product_backward_weights(x, y, dw, db)

    again = CpuOps().recorded(work)
    redraw(x, w, b)
    again()
    np.testing.assert_allclose(y, x @ w.T + b, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(dx, y @ w, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(dw, y.T @ x, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(db, y.sum(axis=0), rtol=1e-4, atol=1e-4)


def test_what_is_not_launched_is_not_done_again():
    x, mask = np.ones((2, 3, 4, 5), "f"), np.ones((2, 3, 4, 5), np.uint8)
    double, key, window = x.astype(float), Key(1, "drop"), LrnWindow(3, 1.0, 0.75, 1.0)
    ops = CpuOps()
    assert ops.recorded(lambda ops: ops.relu(x, x))
    assert ops.recorded(lambda ops: ops.relu(double, double)) is None
    assert ops.recorded(lambda ops: ops.relu(x[:, ::2], x[:, ::2])) is None
    assert ops.recorded(lambda ops: ops.lrn_across(x, x.copy(), window))
    assert ops.recorded(lambda ops: ops.dropout(x, x, mask, 0.5, key)) is None
    assert ops.recorded(lambda ops: ops.copy(x, x.copy())) is None
    assert open_device("numpy").recorded(lambda ops: ops.relu(x, x)) is None


def test_large_scratch_is_not_kept():
    def work(ops):
        scratch.buffer("large", scratch.LASTING + 1)

    assert CpuOps().recorded(work) is None


def test_an_error_ends_a_recording():
    x = np.ones(4, "f")

    def fail(ops):
        ops.relu(x, x)
        raise ValueError("here")

    ops = CpuOps()
    with pytest.raises(ValueError, match="here"):
        ops.recorded(fail)
    ops.relu(x, x)  # is noted nowhere
    again = ops.recorded(lambda ops: ops.add(x, x, x))
    again()
    np.testing.assert_array_equal(x, 4)


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_other_workers_do_the_same(workers, busy):
    a, geo, before = (
        Arrays(LARGE["winograd"], np.float32),
        LARGE["winograd"],
        threads.count(),
    )
    again = CpuOps().recorded(
        lambda ops: ops.convolution_forward(a.x, a.w, a.b, a.y, geo)
    )
    asked = a.y.copy()
    a.y[...] = 0
    with threads.crew().lock if busy else nullcontext():
        threads.set_count(workers)
        again()
        threads.set_count(before)
    np.testing.assert_array_equal(a.y, asked)
