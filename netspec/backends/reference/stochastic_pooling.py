"""Stochastic pooling: one value of each window, drawn by its size (Zeiler and Fergus,
"Stochastic pooling for regularization of deep convolutional neural networks", 2013).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec import random
from netspec.backends.base import PoolingGeometry
from netspec.backends.reference.pooling import taps
from netspec.random import Key
from netspec.shapes import count

Array = Any


def _sums(x: Array, g: PoolingGeometry) -> Array:
    """Σ x over each window, added row by row, (N, C, OH, OW)."""
    total = np.zeros((*x.shape[:2], *g.output), x.dtype)
    for _, out, seen in taps(g):
        total[out] += x[seen]
    return total


class StochasticPoolingOps:
    """Pooling of x (N, C, H, W), whose values are not negative, into y (N, C, OH, OW).

    A window whose sum is not above 0 gives 0, or a value of it that is 0.
    """

    def stochastic_pool(
        self,
        x: Array,
        y: Array,
        index: Array,
        g: PoolingGeometry,
        key: Key,
        first_sample: int = 0,
    ) -> None:
        """y = a value of each window, with the chance of its share in the sum.

        Row i takes the random words of sample *first_sample* + i.

        Args:
            index: gets the place of the value within its window, as in
                :meth:`~.PoolingOps.max_pool`, whose gradient is this one's too.
        """
        each = g.channels * count(g.output)
        drawn = random.uniform(key, g.batch, each, first_sample).reshape(y.shape)
        goal = drawn.astype(x.dtype) * _sums(x, g)
        none = g.kernel[0] * g.kernel[1]
        index.fill(none)
        y.fill(0)
        total = np.zeros_like(goal)
        for tap, out, seen in taps(g):
            total[out] += x[seen]
            reached = (index[out] == none) & (total[out] >= goal[out])
            np.copyto(index[out], tap, where=reached)
            np.copyto(y[out], x[seen], where=reached)

    def expected_pool(self, x: Array, y: Array, g: PoolingGeometry) -> None:
        """y = Σ x² / Σ x over each window: the average of :meth:`stochastic_pool`."""
        total = _sums(x, g)
        some = total > 0
        y[...] = np.where(some, _sums(x * x, g) / np.where(some, total, 1), 0)

    def expected_pool_backward(
        self, x: Array, y: Array, dy: Array, dx: Array, g: PoolingGeometry
    ) -> None:
        """dx = the sum of dy (2 x - y) / Σ x over the windows that see x."""
        total = _sums(x, g)
        some = total > 0
        share = np.where(some, dy / np.where(some, total, 1), 0)
        dx.fill(0)
        for _, out, seen in taps(g):
            dx[seen] += share[out] * (2 * x[seen] - y[out])
