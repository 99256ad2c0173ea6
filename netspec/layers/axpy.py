"""Axpy: y = a x + z, a number a for each image and channel."""

from __future__ import annotations

from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Array, Layer, Run, Shapes, exactly, layer
from netspec.shapes import count, describe


@layer("Axpy")
class Axpy(Layer):
    """SENet's Axpy: bottoms a (N, C) or (N, C, 1, 1), x (N, C, ...) and z like x."""

    bottoms = exactly(3)

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The shape of x."""
        a, x, z = bottom
        if len(x) < 2 or a[:2] != x[:2] or count(a, 2) != 1:
            raise SpecError(
                f"bottom 0 has shape {describe(a)}, bottom 1 has {describe(x)}.",
                "Bottom 0 must hold one number for each image and channel of bottom 1.",
                field="bottom.0",
            )
        if z != x:
            raise SpecError(
                f"bottom 2 has shape {describe(z)}, bottom 1 has {describe(x)}.",
                "Both must have one shape.",
                field="bottom.2",
            )
        return (x,)

    def geometry(self, bottom: Shapes) -> tuple[int, int, int]:
        """x as (1, N · C, places)."""
        return 1, count(bottom[1], 0, 2), count(bottom[1], 2)

    def forward(self, ops: Any, run: Run) -> None:
        """Scale x, add z."""
        self._scale(ops, run, run.bottom[1], run.top[0])
        ops.add(run.top[0], run.bottom[2], run.top[0])

    def _scale(self, ops: Any, run: Run, x: Array, y: Array) -> None:
        split = (array.reshape(run.geometry) for array in (x, y))
        ops.affine(next(split), run.bottom[0].reshape(-1), None, next(split))

    def backward(self, ops: Any, run: Run) -> None:
        """The gradient of each bottom that wants one."""
        dy: Array = run.top_diff[0]
        da, dx, dz = run.bottom_diff
        if da is not None:
            ops.fill(da, 0.0)
            x, split = run.bottom[1].reshape(run.geometry), dy.reshape(run.geometry)
            ops.affine_gradient(x, split, da.reshape(-1), None)
        if dx is not None:
            self._scale(ops, run, dy, dx)
        if dz is not None:
            ops.copy(dy, dz)
