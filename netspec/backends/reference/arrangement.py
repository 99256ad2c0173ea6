"""Elements in another order, repeated, or put back where a maximum was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = Any


class ArrangementOps:
    """What Permute, ShuffleChannel and Upsample compute."""

    def permute(self, x: Array, y: Array, order: Sequence[int]) -> None:
        """y = x with its axes in another order: axis i of y is axis order[i] of x."""
        y[...] = x.transpose(tuple(order))

    def repeat(self, x: Array, y: Array, factor: int) -> None:
        """Each pixel of x (P, H, W) becomes *factor* × *factor* pixels of y."""
        _blocks(y, factor)[...] = x[:, :, None, :, None]

    def repeat_backward(self, dy: Array, dx: Array, factor: int) -> None:
        """dx (P, H, W) = the sums of dy over the pixels that each became."""
        np.sum(_blocks(dy, factor), axis=(2, 4), out=dx)

    def unpool(self, x: Array, place: Array, y: Array) -> None:
        """Each value of x (P, N) goes to its *place* (P, N) in y (P, M), else 0.

        Of several with one place the last one stays. Places are numbers of any type
        from 0 to M - 1: see :meth:`~.SoftmaxOps.first_bad_label`.
        """
        y.fill(0)
        plane = np.arange(len(y))[:, None]
        y[plane, place.astype(np.int64)] = x

    def unpool_backward(self, dy: Array, place: Array, dx: Array) -> None:
        """dx (P, N) = dy (P, M) at each place."""
        plane = np.arange(len(dy))[:, None]
        dx[...] = dy[plane, place.astype(np.int64)]


def _blocks(y: Array, factor: int) -> Array:
    """y (P, H · factor, W · factor) as (P, H, factor, W, factor)."""
    planes, height, width = y.shape
    return y.reshape(planes, height // factor, factor, width // factor, factor)
