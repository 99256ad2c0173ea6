"""Bilinear interpolation of planes."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.base import Interpolation
from netspec.backends.cuda.launch import KernelFile, f32, i32, i64
from netspec.shapes import Shape

Array = Any

KERNELS = KernelFile("interpolation")


class CudaInterpolationOps:
    """A thread for each output, or, in gradients, for each input."""

    def interpolate(self, x: Array, y: Array, g: Interpolation) -> None:
        """See :meth:`InterpolationOps.interpolate`."""
        _launch("interpolate", (x, y), y, x.shape, g)

    def interpolate_backward(self, dy: Array, dx: Array, g: Interpolation) -> None:
        """See :meth:`InterpolationOps.interpolate_backward`."""
        _launch("interpolate_backward", (dy, dx), dx, dx.shape, g)


def _launch(
    kernel: str,
    arrays: tuple[Array, Array],
    over: Array,
    planes: Shape,
    g: Interpolation,
) -> None:
    sizes = (*planes[1:], g.start, *g.input, *g.output)
    steps = (_step(*axis) for axis in g.axes)
    arguments = *arrays, i64(over.size), *map(i32, sizes), *steps
    KERNELS.over(kernel, over.size, arguments)


def _step(size: int, output: int) -> np.float32:
    """From one output to the next, in inputs."""
    return f32(size - 1) / f32(output - 1) if output > 1 else f32(0)
