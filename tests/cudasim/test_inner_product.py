"""Inner products of every shape, either way round, against the reference."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backends.test_inner_product import draw
from tests.cudasim.convolutions import rounded
from tests.cudasim.harness import HostOps

SHAPES = [(2, 3, 5), (1, 7, 4), (6, 1, 3), (5, 8, 1), (3, 150, 130)]


def everything(ops, arrays, transpose):
    x, w, b, dy, dw, db = (v.copy() for v in arrays)
    y, dx = np.full_like(dy, np.nan), np.full_like(x, np.nan)
    ops.inner_product_forward(x, w, b, y, transpose)
    ops.inner_product_backward_data(dy, w, dx, transpose)
    ops.inner_product_backward_weights(x, dy, dw, db, transpose)
    return y, dx, dw, db


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_against_the_reference(shape, transpose, machine):
    arrays = draw(*shape, np.float32, transpose)
    machine.agree(lambda ops: everything(ops, arrays, transpose), 5e-6)


def test_without_bias_and_without_some_gradients(machine):
    x, w, _, dy, dw, db = draw(3, 4, 6, np.float32, False)

    def call(ops):
        y, weights, bias = np.full_like(dy, np.nan), dw.copy(), db.copy()
        ops.inner_product_forward(x, w, None, y)
        ops.inner_product_backward_weights(x, dy, weights, None)
        ops.inner_product_backward_weights(x, dy, None, bias)
        return y, weights, bias

    machine.agree(call, 5e-6)


@pytest.mark.parametrize("precision", ["tf32", "fp16"])
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("shape", [*SHAPES, (70, 300, 133)], ids=str)
def test_tensor_cores(shape, transpose, precision, machine):
    arrays = draw(*shape, np.float32, transpose)
    machine.ops = HostOps(precision=precision)

    def call(ops):
        if ops.name == "cuda":
            return everything(ops, arrays, transpose)
        x, w, b, dy, dw, db = arrays
        fed = [rounded(v, precision) for v in (x, w, dy)]
        wide = [v.astype(np.float64) for v in (b, dw, db)]
        x, w, dy, b, dw, db = (*fed, *wide)
        *found, _ = everything(ops, (x, w, b, dy, dw, db), transpose)
        return *found, db + arrays[3].sum(axis=0, dtype=np.float64)

    machine.agree(call, 5e-6)


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
@pytest.mark.parametrize("shape", [(0, 3, 5), (2, 0, 5)])
def test_nothing_to_multiply(shape, precision, machine):
    arrays = draw(*shape, np.float32, False)
    machine.ops = HostOps(precision=precision)
    machine.agree(lambda ops: everything(ops, arrays, False))
