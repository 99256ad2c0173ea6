"""Update rules over the parameter arena: one pass over weights, gradients, histories.

Every rule first makes the gradient it steps with, segment by segment::

    g = scale · gradient + l2 · W + l1 · sign(W)

then changes its histories and the weights in place.  Arrays are 1-D and as long as the
arena; elements that no segment covers are left alone.  Sources: Caffe's solvers of the
same names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = Any

PIECE = 1 << 16  # elements a sum takes at a time, whatever the number of threads


@dataclass(frozen=True)
class Steps:
    """How far each segment of the arena steps.

    Attributes:
        start, stop: where the segments lie; int64, rising, not overlapping.
        rate: learning rate times lr_mult.
        l2, l1: weight decay times decay_mult; at most one of them is not 0.
        scale: factor on every gradient: clipping and 1 / iter_size.
    """

    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    rate: NDArray[np.float64]
    l2: NDArray[np.float64]
    l1: NDArray[np.float64]
    scale: float = 1.0

    def __iter__(self) -> Iterator[tuple[slice, float, float, float]]:
        """Each segment as slice, rate, l2 and l1."""
        rows = zip(self.start, self.stop, self.rate, self.l2, self.l1)
        for start, stop, rate, l2, l1 in rows:
            yield slice(int(start), int(stop)), float(rate), float(l2), float(l1)


def segments(
    steps: Steps, weights: Array, gradient: Array, histories: Sequence[Array]
) -> Iterator[tuple[Array, Array, float, list[Array]]]:
    """For each segment: its weights, the gradient to step with, rate and histories."""
    for at, rate, l2, l1 in steps:
        w, g = weights[at], gradient[at]
        if steps.scale != 1:
            g = g * steps.scale
        if l2:
            g = g + l2 * w
        if l1:
            g = g + l1 * np.sign(w)
        yield w, g, rate, [h[at] for h in histories]


class UpdateOps:
    """Solver updates, and what a solver asks about whole arenas."""

    def sum_squares(self, x: Array) -> float:
        """Σ x², added in float64 and in an order that depends on the size alone."""
        flat = x.reshape(-1)
        pieces = (flat[i : i + PIECE] for i in range(0, flat.size, PIECE))
        return float(sum(float(np.square(p, dtype=np.float64).sum()) for p in pieces))

    def all_finite(self, x: Array) -> bool:
        """Whether no element is infinite or not a number."""
        flat = x.reshape(-1)
        pieces = (flat[i : i + PIECE] for i in range(0, flat.size, PIECE))
        return all(bool(np.isfinite(p).all()) for p in pieces)

    def sgd_update(
        self, w: Array, gradient: Array, velocity: Array, steps: Steps, momentum: float
    ) -> None:
        """V = momentum V + rate g; W = W - V."""
        for wi, g, rate, (v,) in segments(steps, w, gradient, [velocity]):
            v[...] = momentum * v + rate * g
            wi -= v

    def nesterov_update(
        self, w: Array, gradient: Array, velocity: Array, steps: Steps, momentum: float
    ) -> None:
        """V' = momentum V + rate g; W = W - ((1 + momentum) V' - momentum V)."""
        for wi, g, rate, (v,) in segments(steps, w, gradient, [velocity]):
            before = momentum * v
            v[...] = before + rate * g
            wi -= (1 + momentum) * v - before

    def adagrad_update(
        self, w: Array, gradient: Array, squares: Array, steps: Steps, delta: float
    ) -> None:
        """H = H + g²; W = W - rate g / (√H + delta)."""
        for wi, g, rate, (h,) in segments(steps, w, gradient, [squares]):
            h += g * g
            wi -= rate * (g / (np.sqrt(h) + delta))

    def rmsprop_update(
        self,
        w: Array,
        gradient: Array,
        squares: Array,
        steps: Steps,
        decay: float,
        delta: float,
    ) -> None:
        """H = decay H + (1 - decay) g²; W = W - rate g / (√H + delta)."""
        for wi, g, rate, (h,) in segments(steps, w, gradient, [squares]):
            h[...] = decay * h + (1 - decay) * (g * g)
            wi -= rate * (g / (np.sqrt(h) + delta))

    def adadelta_update(
        self,
        w: Array,
        gradient: Array,
        squares: Array,
        updates: Array,
        steps: Steps,
        momentum: float,
        delta: float,
    ) -> None:
        """H = m H + (1 - m) g²; u = g √((U + delta) / (H + delta));
        U = m U + (1 - m) u²; W = W - rate u, where m is *momentum*."""
        rest = 1 - momentum
        for wi, g, rate, (h, u) in segments(steps, w, gradient, [squares, updates]):
            h[...] = momentum * h + rest * (g * g)
            update = g * np.sqrt((u + delta) / (h + delta))
            u[...] = momentum * u + rest * (update * update)
            wi -= rate * update

    def adam_update(
        self,
        w: Array,
        gradient: Array,
        mean: Array,
        squares: Array,
        steps: Steps,
        momentum: float,
        momentum2: float,
        delta: float,
    ) -> None:
        """M = m M + (1 - m) g; H = m2 H + (1 - m2) g²; W = W - rate M / (√H + delta).

        The correction of both means' bias, √(1 - m2ᵗ) / (1 - mᵗ), is in the rate.
        """
        rest, rest2 = 1 - momentum, 1 - momentum2
        for wi, g, rate, (m, h) in segments(steps, w, gradient, [mean, squares]):
            m[...] = momentum * m + rest * g
            h[...] = momentum2 * h + rest2 * (g * g)
            wi -= rate * (m / (np.sqrt(h) + delta))

    def adamw_update(
        self,
        w: Array,
        gradient: Array,
        mean: Array,
        squares: Array,
        steps: Steps,
        momentum: float,
        momentum2: float,
        delta: float,
    ) -> None:
        """Adam's step with g = scale · gradient, on W - l2 W - l1 sign(W).

        Loshchilov and Hutter 2019.  Here l2 and l1 have the rate in them, but not its
        correction.
        """
        plain = replace(steps, l2=0 * steps.l2, l1=0 * steps.l1)
        for at, _, l2, l1 in steps:
            wi = w[at]
            if l2:
                wi -= l2 * wi
            if l1:
                wi -= l1 * np.sign(wi)
        self.adam_update(w, gradient, mean, squares, plain, momentum, momentum2, delta)

    def average_update(self, average: Array, w: Array, decay: float) -> None:
        """A = A + (1 - decay) (W - A), over the whole arena."""
        for i in range(0, w.size, PIECE):
            mean = average[i : i + PIECE]
            mean += (1 - decay) * (w[i : i + PIECE] - mean)
