"""Batch normalisation: statistics in one pass, the gradient in two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cupy

from netspec.backends.cuda.launch import KernelFile, f32, f64, i32
from netspec.backends.cuda.maps import each, each_in_channels
from netspec.backends.cuda.sums import Parts

Array = Any

KERNELS = KernelFile("batch_norm")
MOVES = KernelFile("elementwise")


class CudaBatchNormOps:
    """Sums are in double precision, as the reference's are."""

    def channel_statistics(self, x: Array, mean: Array, variance: Array) -> None:
        """See :meth:`BatchNormOps.channel_statistics`."""
        parts = Parts(KERNELS, "moments", (x,), _split(x), sums=2)
        parts.finish(KERNELS, "statistics", (mean, variance), f64(parts.places))

    def accumulate_statistics(
        self,
        mean: Array,
        variance: Array,
        stored: Sequence[Array],
        fraction: float,
        samples: int,
    ) -> None:
        """See :meth:`BatchNormOps.accumulate_statistics`."""
        unbiased = samples / (samples - 1) if samples > 1 else 1.0
        numbers = i32(mean.size), f32(fraction), f32(unbiased)
        KERNELS.over(
            "accumulate", mean.size, (mean, variance, *_three(stored), *numbers)
        )

    def stored_statistics(
        self, stored: Sequence[Array], mean: Array, variance: Array
    ) -> None:
        """See :meth:`BatchNormOps.stored_statistics`."""
        arguments = *_three(stored), mean, variance, i32(mean.size)
        KERNELS.over("stored", mean.size, arguments)

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
        arrays = x, mean, variance, y
        each_in_channels(KERNELS, "normalise", arrays, _split(x), f32(eps))
        if copy is not None:
            each(MOVES, "copy", (y, copy))

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
        centre, normalised = (variance, 1) if mean is None else (mean, 0)
        numbers, shape = (f32(eps), i32(normalised)), _split(x)
        inputs = x, centre, variance
        parts = Parts(KERNELS, "slopes", (*inputs, dy), shape, *numbers, sums=2)
        means = cupy.empty(parts.rows, cupy.float32)
        parts.finish_all(KERNELS, "mean_slopes", (means,), f64(parts.places))
        arrays = *inputs, means, dy, dx
        each_in_channels(KERNELS, "backward", arrays, shape, *numbers)

    def batch_norm_backward_stored(
        self, variance: Array, eps: float, dy: Array, dx: Array
    ) -> None:
        """See :meth:`BatchNormOps.batch_norm_backward_stored`."""
        arrays = variance, dy, dx
        each_in_channels(KERNELS, "backward_stored", arrays, _split(dy), f32(eps))


def _split(x: Array) -> tuple[int, int, int]:
    """(N, C, the rest) of x (N, C, ...)."""
    batch, channels = x.shape[:2]
    return batch, channels, x.size // max(1, batch * channels)


def _three(stored: Sequence[Array]) -> list[Array]:
    return [blob.reshape(-1) for blob in stored]
