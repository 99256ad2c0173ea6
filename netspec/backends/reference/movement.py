"""Moving elements between arrays without changing them, and making arrays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from netspec.shapes import Shape

Array = Any


class MovementOps:
    """Blocks of an array that lie side by side along an axis, and host arrays.

    A blob cut or joined along an axis is *outer* blocks, each a run of elements of
    every part: *outer* is the product of the axes before it.

    Attributes:
        runs_ahead: whether an operation returns before its work is done, so that to
            look at what it computed is to wait for it.
        transforms: whether :meth:`feed` has the device transform pictures that are
            given as bytes.
    """

    runs_ahead: ClassVar[bool] = False
    transforms: ClassVar[bool] = False

    def read_block(self, whole: Array, part: Array, outer: int, start: int) -> None:
        """Fill *part* with its elements of *whole*, from *start* in each block."""
        columns = part.size // outer
        block = whole.reshape(outer, -1)[:, start : start + columns]
        part.reshape(outer, -1)[...] = block

    def write_block(self, part: Array, whole: Array, outer: int, start: int) -> None:
        """Put *part* into *whole*, from element *start* of each block."""
        columns = part.size // outer
        whole.reshape(outer, -1)[:, start : start + columns] = part.reshape(outer, -1)

    def use(self) -> None:
        """Compute on this backend's device in the calling thread."""

    def mark(self) -> Any:
        """This moment, as the device comes to it; see :meth:`seconds`."""
        return time.perf_counter()

    def seconds(self, start: Any, end: Any) -> float:
        """Seconds between two marks; waits for the second."""
        return float(end - start)

    def zeros(self, shape: int | Shape, dtype: str) -> Array:
        """A new array of this backend.

        Raises:
            MemoryError: there is no room for it.
        """
        return np.zeros(shape, dtype)

    def download(self, x: Array) -> Array:
        """An array of this backend as a NumPy array; it may share its memory."""
        return x

    def begin_download(self, x: Array) -> Callable[[], Array]:
        """Begin to copy an array; what is returned waits for the copy and gives it.

        The copy is of the values of now, whatever is computed into *x* later.
        """
        copy = x.copy()
        return lambda: copy

    def upload(self, host: Array, y: Array) -> None:
        """Copy a NumPy array into an array of this backend."""
        y[...] = host

    def feed(self, host: Array, y: Array) -> None:
        """Upload one batch of many; *host* may change as soon as this returns.

        A backend that runs ahead copies while it computes what came before.

        Args:
            host: an array, or :class:`~netspec.data.raw.RawPictures`; of these *y*
                becomes the transformed batch, the same bits on any backend.
        """
        self.upload(host, y)

    @contextmanager
    def on_host(self, x: Array) -> Iterator[Array]:
        """An array as a NumPy array to change; *x* has the changes afterwards."""
        yield x
