"""Inner product on the CPU: by BLAS only where the batch is large."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.cpu import combinations, dots, outer
from netspec.backends.cpu.blas import product
from netspec.backends.cpu.channels import channel_sums
from netspec.backends.cpu.frame import plain
from netspec.backends.cpu.recording import launches
from netspec.backends.cpu.threads import claim, share
from netspec.backends.reference.inner_product import InnerProductOps
from netspec.compiled import njit

Array = Any

# Rows of a batch up to which weights are taken as they lie, quicker than BLAS does.
DOTS, COMBINED = 32, 1024
TILE_ROWS = 256
TILE_COLUMNS = 256
NO_BIAS = np.zeros(0, np.float32)


class CpuInnerProductOps(InnerProductOps):
    """float32 is compiled; the rest is the reference's."""

    @launches
    def inner_product_forward(
        self, x: Array, w: Array, b: Array | None, y: Array, transpose: bool = False
    ) -> None:
        """See :meth:`InnerProductOps.inner_product_forward`."""
        if not plain(x, w, y):
            return super().inner_product_forward(x, w, b, y, transpose)
        bias = NO_BIAS if b is None else b
        return (_combine if transpose else _dot)(x, w, bias, y)

    @launches
    def inner_product_backward_data(
        self, dy: Array, w: Array, dx: Array, transpose: bool = False
    ) -> None:
        """See :meth:`InnerProductOps.inner_product_backward_data`."""
        if not plain(dy, w, dx):
            return super().inner_product_backward_data(dy, w, dx, transpose)
        return (_dot if transpose else _combine)(dy, w, NO_BIAS, dx)

    @launches
    def inner_product_backward_weights(
        self,
        x: Array,
        dy: Array,
        dw: Array | None,
        db: Array | None,
        transpose: bool = False,
    ) -> None:
        """See :meth:`InnerProductOps.inner_product_backward_weights`."""
        if dw is None or not plain(x, dy, dw):
            super().inner_product_backward_weights(x, dy, dw, db, transpose)
            return
        left, right = (x, dy) if transpose else (dy, x)
        outer.add_outer_products(left, right, dw)
        if db is not None:
            channel_sums(dy, db)


def _dot(a: Array, b: Array, bias: Array, c: Array) -> None:
    """c = a bᵀ + bias."""
    if len(a) <= DOTS:
        dots.sums_of_products(a, b, bias, c)
    else:
        _multiply(a, b.T, bias, c)


def _combine(a: Array, b: Array, bias: Array, c: Array) -> None:
    """c = a b + bias."""
    if len(a) <= COMBINED:
        combinations.combinations(a, b, bias, c)
    else:
        _multiply(a, b, bias, c)


def _multiply(a: Array, b: Array, bias: Array, c: Array) -> None:
    """c = a b + bias, by BLAS."""
    tiles = -(-c.shape[0] // TILE_ROWS) * -(-c.shape[1] // TILE_COLUMNS)
    work = c.size * a.shape[1]
    share(_tiles, tiles, a, b, bias, c, work=work, blas=True)


@njit(nogil=True, cache=True)
def _tiles(counter, tasks, workspace, a, b, bias, c):  # type: ignore[no-untyped-def]
    """One task is one tile of c."""
    across = -(-c.shape[1] // TILE_COLUMNS)
    task = claim(counter)
    while task < tasks:
        row, column = divmod(task, across)
        r0, c0 = row * TILE_ROWS, column * TILE_COLUMNS
        r1, c1 = min(c.shape[0], r0 + TILE_ROWS), min(c.shape[1], c0 + TILE_COLUMNS)
        out = c[r0:r1, c0:c1]
        if bias.size:
            for r in range(r1 - r0):
                for i in range(c1 - c0):
                    out[r, i] = bias[c0 + i]
        product(a[r0:r1], b[:, c0:c1], out, 1.0 if bias.size else 0.0)
        task = claim(counter)
