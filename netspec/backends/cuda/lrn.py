"""Local response normalisation: windows that slide along one axis at a time."""

from __future__ import annotations

from typing import Any

import cupy

from netspec.backends.base import AxisSplit, LrnWindow
from netspec.backends.cuda.launch import KernelFile, f32, i32, i64

Array = Any

KERNELS = KernelFile("lrn")
RUN = 16  # values that a thread slides over


def _slide(
    kernel: str, arrays: tuple[Array, ...], axis: AxisSplit, half: int, *more: Any
) -> None:
    """Launch (arrays, outer, size, inner, half, run, more)."""
    run = 1 if axis.inner == 1 else RUN
    sizes = i64(axis.outer), i32(axis.size), i64(axis.inner), i32(half), i32(run)
    runs = axis.places * -(-axis.size // run)
    KERNELS.over(kernel, runs, (*arrays, *sizes, *more))


def _axes(x: Array) -> tuple[AxisSplit, AxisSplit, AxisSplit]:
    """Channels, rows and columns of x (N, C, H, W)."""
    batch, channels, height, width = x.shape
    planes = batch * channels
    return (
        AxisSplit(batch, channels, height * width),
        AxisSplit(planes, height, width),
        AxisSplit(planes * height, width, 1),
    )


def _numbers(window: LrnWindow, axes: int) -> tuple[Any, Any, Any]:
    """alpha / n, beta and k."""
    share = window.alpha / window.size**axes
    return f32(share), f32(window.beta), f32(window.k)


class CudaLrnOps:
    """The region WITHIN is summed along rows, then along columns."""

    def lrn_across(self, x: Array, y: Array, window: LrnWindow) -> None:
        """See :meth:`LrnOps.lrn_across`."""
        axis, half = _axes(x)[0], window.size // 2
        _slide("respond", (x, x, y), axis, half, i32(1), *_numbers(window, 1))

    def lrn_across_backward(
        self, x: Array, dy: Array, dx: Array, window: LrnWindow
    ) -> None:
        """See :meth:`LrnOps.lrn_across_backward`."""
        axis, half = _axes(x)[0], window.size // 2
        ratio, numbers = cupy.empty_like(x), _numbers(window, 1)
        arrays = x, x, dy, dx, ratio
        _slide("ratios", arrays, axis, half, i32(1), *numbers)
        _slide("subtract", (ratio, x, dx), axis, half, _slope(window, 1))

    def lrn_within(self, x: Array, y: Array, window: LrnWindow) -> None:
        """See :meth:`LrnOps.lrn_within`."""
        (_, down, across), half = _axes(x), window.size // 2
        sums = cupy.empty_like(x)
        _slide("window_sums", (x, sums), across, half, i32(1))
        _slide("respond", (sums, x, y), down, half, i32(0), *_numbers(window, 2))

    def lrn_within_backward(
        self, x: Array, dy: Array, dx: Array, window: LrnWindow
    ) -> None:
        """See :meth:`LrnOps.lrn_within_backward`."""
        (_, down, across), half = _axes(x), window.size // 2
        sums, ratio = cupy.empty_like(x), cupy.empty_like(x)
        _slide("window_sums", (x, sums), across, half, i32(1))
        arrays = sums, x, dy, dx, ratio
        _slide("ratios", arrays, down, half, i32(0), *_numbers(window, 2))
        _slide("window_sums", (ratio, sums), across, half, i32(0))
        _slide("subtract", (sums, x, dx), down, half, _slope(window, 2))


def _slope(window: LrnWindow, axes: int) -> Any:
    """2 alpha beta / n."""
    return f32(2 * window.alpha * window.beta / window.size**axes)
