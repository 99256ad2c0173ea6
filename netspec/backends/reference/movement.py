"""Moving elements between arrays without changing them."""

from __future__ import annotations

from typing import Any

Array = Any


class MovementOps:
    """Blocks of an array that lie side by side along an axis, and host arrays.

    A blob cut or joined along an axis is *outer* blocks, each a run of elements of
    every part: *outer* is the product of the axes before it.
    """

    def read_block(self, whole: Array, part: Array, outer: int, start: int) -> None:
        """Fill *part* with its elements of *whole*, from *start* in each block."""
        columns = part.size // outer
        block = whole.reshape(outer, -1)[:, start : start + columns]
        part.reshape(outer, -1)[...] = block

    def write_block(self, part: Array, whole: Array, outer: int, start: int) -> None:
        """Put *part* into *whole*, from element *start* of each block."""
        columns = part.size // outer
        whole.reshape(outer, -1)[:, start : start + columns] = part.reshape(outer, -1)

    def download(self, x: Array) -> Array:
        """An array of this backend as a NumPy array; it may share its memory."""
        return x

    def upload(self, host: Array, y: Array) -> None:
        """Copy a NumPy array into an array of this backend."""
        y[...] = host
