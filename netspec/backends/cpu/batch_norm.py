"""Batch normalisation by compiled kernels: two passes over the data each way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from netspec.backends.cpu.frame import plain
from netspec.backends.cpu.pieces import over
from netspec.backends.cpu.recording import launches
from netspec.backends.cpu.sums import channel_sums
from netspec.backends.cpu.threads import claim, share
from netspec.backends.reference.batch_norm import BatchNormOps, by_channel
from netspec.compiled import njit

Array = Any


def inverse_deviation(variance: Array, eps: float) -> Array:
    """1 / sqrt(variance + eps), in float64."""
    return 1.0 / np.sqrt(variance.astype(np.float64) + eps)


def _spread(kernel: Callable[..., None], x: Array, *args: Any) -> None:
    batch, channels, inner = x.shape
    over(kernel, batch * channels, inner, x, *args)


class CpuBatchNormOps(BatchNormOps):
    """float32 by kernels; other types as the reference does."""

    @launches
    def stored_statistics(
        self, stored: Sequence[Array], mean: Array, variance: Array
    ) -> None:
        """See :meth:`BatchNormOps.stored_statistics`."""
        sums = stored[:3]  # a scale and a bias may follow
        if plain(*sums, mean, variance):
            # What reads mean and variance is done once as well, or in every pass, and
            # is then not recorded.
            share(_divide, 1, *sums, mean, variance, once=True)
        else:
            super().stored_statistics(stored, mean, variance)

    def channel_statistics(self, x: Array, mean: Array, variance: Array) -> None:
        """See :meth:`BatchNormOps.channel_statistics`.

        One pass: in float64 the difference of Σ x² / n and mean² is as exact as
        float32 x are.
        """
        if x.dtype != np.float32:
            super().channel_statistics(x, mean, variance)
            return
        view = by_channel(x)
        total, square = channel_sums(view, view)
        count = view.shape[0] * view.shape[2]
        centre = total / count
        mean[...] = centre
        variance[...] = np.maximum(square / count - centre**2, 0)

    def batch_norm(
        self,
        x: Array,
        mean: Array,
        variance: Array,
        eps: float,
        y: Array,
        copy: Array | None = None,
    ) -> None:
        """See :meth:`BatchNormOps.batch_norm`."""
        if x.dtype != np.float32:
            super().batch_norm(x, mean, variance, eps, y, copy)
            return
        inverse = inverse_deviation(variance, eps).astype(np.float32)
        second = None if copy is None else by_channel(copy)
        _spread(_normalise, by_channel(x), mean, inverse, by_channel(y), second)

    def batch_norm_backward(
        self,
        x: Array,
        mean: Array | None,
        variance: Array,
        eps: float,
        dy: Array,
        dx: Array,
    ) -> None:
        """See :meth:`BatchNormOps.batch_norm_backward`."""
        if x.dtype != np.float32:
            super().batch_norm_backward(x, mean, variance, eps, dy, dx)
            return
        x, dy = by_channel(x), by_channel(dy)
        inverse = inverse_deviation(variance, eps)
        # x - centre, times spread, is z.
        centre = np.zeros(x.shape[1]) if mean is None else mean.astype(np.float64)
        spread = np.ones(x.shape[1]) if mean is None else inverse
        total, product = channel_sums(dy, x)
        count = x.shape[0] * x.shape[2]
        slope = (product - centre * total) * spread**2 / count
        terms = np.stack((inverse, total / count, centre, slope)).astype(np.float32)
        _spread(_gradient, x, dy, terms, by_channel(dx))

    def batch_norm_backward_stored(
        self, variance: Array, eps: float, dy: Array, dx: Array
    ) -> None:
        """See :meth:`BatchNormOps.batch_norm_backward_stored`."""
        if dy.dtype != np.float32:
            super().batch_norm_backward_stored(variance, eps, dy, dx)
            return
        inverse = inverse_deviation(variance, eps).astype(np.float32)
        zero = np.zeros_like(inverse)
        _spread(_normalise, by_channel(dy), zero, inverse, by_channel(dx), None)


@njit(cache=True, nogil=True)
def _divide(counter, tasks, workspace, mean, variance, factor, own_mean, own_variance):  # type: ignore[no-untyped-def]
    """Stored sums by their factor, in one task."""
    if claim(counter) == tasks:
        return
    share = np.float32(1 / np.float64(factor[0]) if factor[0] else 0.0)
    for c in range(mean.size):
        own_mean[c] = mean[c] * share
        own_variance[c] = variance[c] * share


@njit(cache=True, nogil=True)
def _normalise(counter, tasks, workspace, group, x, mean, inverse, y, copy):  # type: ignore[no-untyped-def]
    batch, channels, inner = x.shape
    task = claim(counter)
    while task < tasks:
        for thing in range(task * group, min((task + 1) * group, batch * channels)):
            n, c = thing // channels, thing % channels
            source, out = x[n, c], y[n, c]
            centre, factor = mean[c], inverse[c]
            for i in range(inner):
                out[i] = (source[i] - centre) * factor
            if copy is not None:
                second = copy[n, c]
                for i in range(inner):
                    second[i] = out[i]
        task = claim(counter)


@njit(cache=True, nogil=True)
def _gradient(counter, tasks, workspace, group, x, dy, terms, dx):  # type: ignore[no-untyped-def]
    batch, channels, inner = x.shape
    task = claim(counter)
    while task < tasks:
        for thing in range(task * group, min((task + 1) * group, batch * channels)):
            n, c = thing // channels, thing % channels
            source, gradient, out = x[n, c], dy[n, c], dx[n, c]
            factor, centre_dy = terms[0, c], terms[1, c]
            centre, slope = terms[2, c], terms[3, c]
            for i in range(inner):
                z = (source[i] - centre) * slope
                out[i] = (gradient[i] - centre_dy - z) * factor
        task = claim(counter)
