"""Inner product on the CPU: one matrix product, by BLAS where a batch is large."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.cpu import slender
from netspec.backends.cpu.blas import product
from netspec.backends.cpu.frame import plain
from netspec.backends.cpu.threads import claim, share
from netspec.backends.cpu.vectors import WIDTH
from netspec.backends.reference.inner_product import InnerProductOps
from netspec.compiled import njit

Array = Any

# Up to which slender products are quicker: rows of a batch whose products with rows of
# weights are summed, or that are combined of rows of weights; rows that are combined.
DOTS, ROWS, TERMS = 32, 64, 8
TILE_ROWS = 256
TILE_COLUMNS = 256
NO_BIAS = np.zeros(0, np.float32)


class CpuInnerProductOps(InnerProductOps):
    """float32 is compiled; the rest is the reference's."""

    def inner_product_forward(
        self, x: Array, w: Array, b: Array | None, y: Array, transpose: bool = False
    ) -> None:
        """See :meth:`InnerProductOps.inner_product_forward`."""
        if not plain(x, w, y):
            return super().inner_product_forward(x, w, b, y, transpose)
        bias = NO_BIAS if b is None else b
        return _multiply(x, w if transpose else w.T, bias, y)

    def inner_product_backward_data(
        self, dy: Array, w: Array, dx: Array, transpose: bool = False
    ) -> None:
        """See :meth:`InnerProductOps.inner_product_backward_data`."""
        if not plain(dy, w, dx):
            return super().inner_product_backward_data(dy, w, dx, transpose)
        return _multiply(dy, w.T if transpose else w, NO_BIAS, dx)

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
            return super().inner_product_backward_weights(x, dy, dw, db, transpose)
        left, right = (x, dy) if transpose else (dy, x)
        _add_product(left.T, right, dw)
        return super().inner_product_backward_weights(x, dy, None, db, transpose)


def _multiply(a: Array, b: Array, bias: Array, c: Array) -> None:
    """c = a b + bias."""
    if b.strides[1] != b.itemsize:
        if len(a) <= DOTS:
            slender.sums_of_products(a, b.T, bias, c)
            return
    elif len(a) <= ROWS or len(b) <= TERMS:
        slender.combinations(a, b, bias, c)
        return
    work = c.size * a.shape[1]
    share(_tiles, _count_tiles(c), a, b, bias, c, work=work, blas=True)


def _add_product(a: Array, b: Array, c: Array) -> None:
    """c += a b: the sums are complete before they are added, tile by tile."""
    is_short = len(b) <= slender.SHORT and c.shape[1] % WIDTH == 0
    if is_short or len(a) <= ROWS or len(b) <= TERMS:
        slender.add_combinations(a, b, c)
        return
    room, work = TILE_ROWS * TILE_COLUMNS, c.size * a.shape[1]
    tiles = _count_tiles(c)
    share(_added_tiles, tiles, a, b, c, workspace=room, work=work, blas=True)


def _count_tiles(c: Array) -> int:
    return -(-c.shape[0] // TILE_ROWS) * -(-c.shape[1] // TILE_COLUMNS)


@njit(nogil=True, cache=True)
def _tiles(counter, tasks, workspace, a, b, bias, c):  # type: ignore[no-untyped-def]
    """One task is one tile of c."""
    task = claim(counter)
    while task < tasks:
        r0, r1, c0, c1 = _tile(task, c)
        out = c[r0:r1, c0:c1]
        if bias.size:
            for r in range(r1 - r0):
                for i in range(c1 - c0):
                    out[r, i] = bias[c0 + i]
        product(a[r0:r1], b[:, c0:c1], out, 1.0 if bias.size else 0.0)
        task = claim(counter)


@njit(nogil=True, cache=True)
def _added_tiles(counter, tasks, workspace, a, b, c):  # type: ignore[no-untyped-def]
    """One task is one tile of c, whose sums are made in the workspace."""
    task = claim(counter)
    while task < tasks:
        r0, r1, c0, c1 = _tile(task, c)
        size = (r1 - r0) * (c1 - c0)
        sums = workspace[:size].reshape(r1 - r0, c1 - c0)
        product(a[r0:r1], b[:, c0:c1], sums, 0.0)
        for r in range(r1 - r0):
            out, total = c[r0 + r, c0:c1], sums[r]
            for i in range(total.size):
                out[i] += total[i]
        task = claim(counter)


@njit(nogil=True, cache=True)
def _tile(task, c):  # type: ignore[no-untyped-def]
    """First and end of a tile's rows and columns."""
    row, column = divmod(task, -(-c.shape[1] // TILE_COLUMNS))
    r0, c0 = row * TILE_ROWS, column * TILE_COLUMNS
    return r0, min(c.shape[0], r0 + TILE_ROWS), c0, min(c.shape[1], c0 + TILE_COLUMNS)
