"""Batch normalisation as Caffe's BatchNorm: statistics of each channel, no scale.

x is (N, C, ...); means and variances are (C,).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = Any


def by_channel(x: Array) -> Array:
    """A view (N, C, the rest)."""
    return x.reshape(x.shape[0], x.shape[1], -1)


def _mean(x: Array) -> Array:
    """Mean of each channel of (N, C, rest), (1, C, 1): sums are kept in float64."""
    mean = x.mean(axis=(0, 2), keepdims=True, dtype=np.float64)
    return mean.astype(x.dtype)


def _deviation(variance: Array, eps: float) -> Array:
    return np.sqrt(variance + eps)[:, None]


class BatchNormOps:
    """Statistics, normalisation and gradient."""

    def channel_statistics(self, x: Array, mean: Array, variance: Array) -> None:
        """Mean and variance (not corrected for bias) of each channel over a batch."""
        x = by_channel(x)
        found = _mean(x)
        mean[...] = found.reshape(-1)
        variance[...] = _mean((x - found) ** 2).reshape(-1)

    def accumulate_statistics(
        self,
        mean: Array,
        variance: Array,
        stored: Sequence[Array],
        fraction: float,
        samples: int,
    ) -> None:
        """Fade the stored sums and add a batch's statistics to them.

        Args:
            stored: Caffe's three blobs: sums of means and of variances, and the factor
                that both are to be divided by, shape (1,).
            fraction: what remains of the old sums (``moving_average_fraction``).
            samples: values behind each statistic; the variance is stored without bias,
                times samples / (samples - 1).
        """
        unbiased = samples / (samples - 1) if samples > 1 else 1.0
        for total, new in zip(stored, (mean, variance * unbiased, 1.0)):
            total *= fraction
            total += new

    def stored_statistics(
        self, stored: Sequence[Array], mean: Array, variance: Array
    ) -> None:
        """The statistics that the three blobs hold; a factor of 0 gives 0."""
        factor = stored[2]
        share = (factor != 0) / (factor + (factor == 0))
        np.multiply(stored[0], share, out=mean, casting="same_kind")
        np.multiply(stored[1], share, out=variance, casting="same_kind")

    def batch_norm(
        self,
        x: Array,
        mean: Array,
        variance: Array,
        eps: float,
        y: Array,
        copy: Array | None = None,
    ) -> None:
        """y = (x - mean) / sqrt(variance + eps); y may be x.

        Args:
            copy: gets the result as well, where y will be overwritten.
        """
        out = by_channel(y)
        np.subtract(by_channel(x), mean[:, None], out=out)
        np.divide(out, _deviation(variance, eps), out=out)
        if copy is not None:
            np.copyto(copy, y)

    def batch_norm_backward(
        self,
        x: Array,
        mean: Array | None,
        variance: Array,
        eps: float,
        dy: Array,
        dx: Array,
    ) -> None:
        """Gradient where the statistics are x's own.

        With z the normalised x and ⟨⟩ the mean over a channel,
        dx = (dy - ⟨dy⟩ - z ⟨dy z⟩) / sqrt(variance + eps).  dx may be dy.

        Args:
            mean: None says that x is z already.
        """
        deviation = _deviation(variance, eps)
        z, dy, dx = by_channel(x), by_channel(dy), by_channel(dx)
        if mean is not None:
            z = (z - mean[:, None]) / deviation
        dx[...] = (dy - _mean(dy) - z * _mean(dy * z)) / deviation

    def batch_norm_backward_stored(
        self, variance: Array, eps: float, dy: Array, dx: Array
    ) -> None:
        """Gradient where the statistics are constants; dx may be dy."""
        np.divide(by_channel(dy), _deviation(variance, eps), out=by_channel(dx))
