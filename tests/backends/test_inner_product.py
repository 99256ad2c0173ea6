from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.cpu import CpuOps, threads
from netspec.backends.numpy_ops import NumpyOps

# Sums of at most 700 float32 products.
TOLERANCE = {np.float64: 1e-13, np.float32: 5e-6}
BACKENDS = [
    pytest.param(NumpyOps(), np.float64, id="numpy64"),
    pytest.param(CpuOps(), np.float64, id="cpu64"),
    pytest.param(CpuOps(), np.float32, id="cpu32"),
]
SHAPES = [(2, 3, 5), (1, 7, 4), (6, 1, 3), (5, 8, 1), (300, 40, 270), (3, 700, 600)]


def draw(rows, inputs, outputs, dtype, transpose):
    rng = np.random.default_rng(3)
    weights = (inputs, outputs) if transpose else (outputs, inputs)
    shapes = [(rows, inputs), weights, (outputs,), (rows, outputs), weights, (outputs,)]
    return [rng.standard_normal(s).astype(np.float32).astype(dtype) for s in shapes]


def close(found, wanted):
    tolerance = TOLERANCE[found.dtype.type]
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.smoke
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize(("ops", "dtype"), BACKENDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_against_einsum(shape, ops, dtype, transpose):
    x, w, b, dy, dw, db = draw(*shape, dtype, transpose)
    wide = [v.astype(np.float64) for v in (x, w, b, dy, dw, db)]
    letters = "ko" if transpose else "ok"
    y, dx = np.full_like(dy, np.nan), np.full_like(x, np.nan)
    ops.inner_product_forward(x, w, b, y, transpose)
    ops.inner_product_backward_data(dy, w, dx, transpose)
    ops.inner_product_backward_weights(x, dy, dw, db, transpose)
    close(y, np.einsum(f"mk,{letters}->mo", wide[0], wide[1]) + wide[2])
    close(dx, np.einsum(f"mo,{letters}->mk", wide[3], wide[1]))
    close(dw, wide[4] + np.einsum(f"mk,mo->{letters}", wide[0], wide[3]))
    close(db, wide[5] + wide[3].sum(axis=0))


@pytest.mark.parametrize(("ops", "dtype"), BACKENDS)
def test_without_bias_and_without_some_gradients(ops, dtype):
    x, w, _, dy, dw, db = draw(3, 4, 6, dtype, False)
    y = np.full_like(dy, np.nan)
    ops.inner_product_forward(x, w, None, y)
    close(y, x.astype(np.float64) @ w.astype(np.float64).T)
    before = dw.copy(), db.copy()
    ops.inner_product_backward_weights(x, dy, dw, None)
    assert not np.array_equal(dw, before[0])
    once = dw.copy()
    ops.inner_product_backward_weights(x, dy, None, db)
    np.testing.assert_array_equal(dw, once)
    assert not np.array_equal(db, before[1])


@pytest.fixture
def several_threads():
    before = threads.count()
    yield
    threads.set_count(before)


def test_the_same_bits_for_any_number_of_threads(several_threads):
    results = []
    for number in (1, 2, 5):
        threads.set_count(number)
        ops = CpuOps()
        x, w, b, dy, dw, db = draw(37, 900, 1100, np.float32, False)
        y, dx = np.empty_like(dy), np.empty_like(x)
        ops.inner_product_forward(x, w, b, y)
        ops.inner_product_backward_data(dy, w, dx)
        ops.inner_product_backward_weights(x, dy, dw, db)
        results.append([v.tobytes() for v in (y, dx, dw, db)])
    assert results[0] == results[1] == results[2]
