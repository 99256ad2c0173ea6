"""Sums over rows, and rows brought to mean 0 and deviation 1."""

from __future__ import annotations

from typing import Any

from netspec.backends.base import Term
from netspec.backends.cuda.launch import KernelFile, f32, f64, i32, i64
from netspec.backends.cuda.rows import over_rows
from netspec.backends.cuda.sums import KERNELS as SUMS
from netspec.backends.cuda.sums import PART, Parts

Array = Any

KERNELS = KernelFile("reduction")
SUM_OF = {Term.SUM: "sum", Term.ABSOLUTE: "absolute_sum", Term.SQUARE: "square_sum"}


class CudaReductionOps:
    """x is (R, D); sums are in double precision."""

    def reduce_rows(self, x: Array, y: Array, term: Term, factor: float) -> None:
        """See :meth:`ReductionOps.reduce_rows`."""
        rows, columns = x.shape
        if columns > PART:  # more than a block should add up alone
            parts = Parts(SUMS, SUM_OF[term], (x,), (1, rows, columns))
            parts.finish(SUMS, "finish", (y,), f64(factor))
            return
        number = i32(tuple(SUM_OF).index(term))
        arguments = x, y, i64(rows), i64(columns), number, f64(factor)
        over_rows(KERNELS, "sum_rows", rows, columns, arguments)

    def reduce_rows_backward(
        self, x: Array, dy: Array, dx: Array, term: Term, factor: float
    ) -> None:
        """See :meth:`ReductionOps.reduce_rows_backward`."""
        sizes = i64(dx.size), i64(dx.shape[1]), f32(factor)
        if term is Term.SUM:
            KERNELS.over("share_out", dx.size, (dy, dx, *sizes))
        else:
            squares = i32(term is Term.SQUARE)
            KERNELS.over("share_terms", dx.size, (x, dy, dx, *sizes, squares))

    def normalize_rows(
        self, x: Array, y: Array, deviation: Array | None, eps: float = 0.0
    ) -> None:
        """See :meth:`ReductionOps.normalize_rows`."""
        numbers = *map(i64, x.shape), i32(deviation is not None), f32(eps)
        arguments = x, y, y if deviation is None else deviation, *numbers
        rows, columns = x.shape
        over_rows(KERNELS, "normalize_rows", rows, columns, arguments)

    def normalize_rows_backward(
        self, y: Array, deviation: Array | None, dy: Array, dx: Array
    ) -> None:
        """See :meth:`ReductionOps.normalize_rows_backward`."""
        numbers = *map(i64, y.shape), i32(deviation is not None)
        arguments = y, y if deviation is None else deviation, dy, dx, *numbers
        rows, columns = y.shape
        over_rows(KERNELS, "normalize_rows_backward", rows, columns, arguments)
