"""Choosing elements: rows by index, parts by offset, copies, and the largest values.

Indices are numbers of any type, cut to integers; they must have passed
``first_bad_label``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.base import AxisSplit
from netspec.backends.reference.softmax import split_axis
from netspec.shapes import Shape

Array = Any


def _whole(index: Array) -> Array:
    return index.reshape(-1).astype(np.int64)


def _part(x: Array, size: Shape, offset: Shape) -> Array:
    """The view of x that begins at *offset* and has *size*."""
    return x[tuple(slice(at, at + n) for at, n in zip(offset, size))]


class SelectionOps:
    """What ArgMax, BatchReindex, Crop, Embed, Filter and Tile compute."""

    def take_rows(
        self, x: Array, index: Array, y: Array, bias: Array | None = None
    ) -> None:
        """y[m] = x[index[m]] (+ bias); x (R, D), index (M,), y (M, D), bias (D,)."""
        np.take(x, _whole(index), axis=0, out=y, mode="clip")
        if bias is not None:
            np.add(y, bias, out=y)

    def add_rows(self, dy: Array, index: Array, dx: Array) -> None:
        """dx[r] += Σ dy[m] where index[m] = r, in the order of m: a gradient, added."""
        rows, place = np.unique(_whole(index), return_inverse=True)
        total = np.zeros((rows.size, dx.shape[1]), dx.dtype)
        np.add.at(total, place, dy)
        dx[rows] += total

    def kept_rows(self, selector: Array, index: Array) -> int:
        """Fill *index* with the numbers of the rows whose *selector* is not 0.

        Args:
            selector: (N,).
            index: (N,) integers; what is behind the last number is left as it is.

        Returns:
            How many there are.
        """
        found = np.flatnonzero(selector)
        index[: found.size] = found
        return int(found.size)

    def crop(self, x: Array, y: Array, offset: Shape) -> None:
        """y = the part of x that begins at *offset*, one number an axis."""
        y[...] = _part(x, y.shape, offset)

    def crop_backward(self, dy: Array, dx: Array, offset: Shape) -> None:
        """dx = dy in its place, 0 around it."""
        dx.fill(0)
        _part(dx, dy.shape, offset)[...] = dy

    def tile(self, x: Array, y: Array) -> None:
        """y[o, t] = x[o] for every t; x (outer, D), y (outer, tiles, D)."""
        y[...] = x[:, None]

    def tile_backward(self, dy: Array, dx: Array) -> None:
        """dx[o] = Σ dy[o, t], in the order of t."""
        dx[...] = dy[:, 0]
        for t in range(1, dy.shape[1]):
            np.add(dx, dy[:, t], out=dx)

    def largest(
        self, x: Array, axis: AxisSplit, index: Array | None, values: Array | None
    ) -> None:
        """Where along the axis the largest values are, the largest first, and which.

        Of equal values the one with the higher index comes first, as in Caffe; a NaN
        counts as larger than any number.

        Args:
            index, values: (outer, k, inner) views of any number type, or None.
        """
        wanted: Array = values if index is None else index
        scores = split_axis(x, axis)
        order: Array = np.argsort(scores, axis=1, kind="stable")[:, ::-1]
        order = order[:, : wanted.shape[1]]
        if index is not None:
            index[...] = order
        if values is not None:
            values[...] = np.take_along_axis(scores, order, axis=1)
