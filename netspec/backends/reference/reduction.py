"""Sums over rows, and rows brought to mean 0 and deviation 1; x is (R, D).

Sums are taken in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.base import Term

Array = Any


def _terms(x: Array, term: Term) -> Array:
    if term is Term.ABSOLUTE:
        return np.abs(x)
    return x.astype(np.float64) ** 2 if term is Term.SQUARE else x


def _mean(x: Array) -> Array:
    """Mean of each row, (R, 1), in the type of x."""
    return x.mean(axis=1, keepdims=True, dtype=np.float64).astype(x.dtype)


class ReductionOps:
    """What Reduction and MVN compute."""

    @np.errstate(all="ignore")
    def reduce_rows(self, x: Array, y: Array, term: Term, factor: float) -> None:
        """y[r] = factor · Σ of the terms of row r; y (R,)."""
        y[...] = factor * _terms(x, term).sum(axis=1, dtype=np.float64)

    @np.errstate(all="ignore")
    def reduce_rows_backward(
        self, x: Array, dy: Array, dx: Array, term: Term, factor: float
    ) -> None:
        """dx of :meth:`reduce_rows`; x is not read for a plain sum."""
        share = (factor * dy)[:, None].astype(dx.dtype)
        if term is Term.SUM:
            dx[...] = share
        elif term is Term.ABSOLUTE:
            np.multiply(np.sign(x), share, out=dx)
        else:
            np.multiply(x, 2 * share, out=dx)

    @np.errstate(all="ignore")
    def normalize_rows(
        self, x: Array, y: Array, deviation: Array | None, eps: float = 0.0
    ) -> None:
        """y = (x - mean) / (deviation + eps), row by row; y may be x.

        Args:
            deviation: (R,), gets the divisors; None: y = x - mean.
        """
        np.subtract(x, _mean(x), out=y)
        if deviation is not None:
            variance = (y * y).mean(axis=1, dtype=np.float64)
            deviation[...] = np.sqrt(variance) + eps
            np.divide(y, deviation[:, None], out=y)

    @np.errstate(all="ignore")
    def normalize_rows_backward(
        self, y: Array, deviation: Array | None, dy: Array, dx: Array
    ) -> None:
        """dx = (dy - mean(dy) - y · mean(dy · y)) / deviation; dx may be dy.

        That takes the deviation to be the true one, as Caffe does: exact for small eps.
        """
        if deviation is None:
            np.subtract(dy, _mean(dy), out=dx)
            return
        along = y * _mean(dy * y)
        np.subtract(dy, _mean(dy), out=dx)
        np.subtract(dx, along, out=dx)
        np.divide(dx, deviation[:, None], out=dx)
