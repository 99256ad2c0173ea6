"""Permute: the axes of a blob in another order."""

from __future__ import annotations

from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Layer, Run, Shapes, layer
from netspec.shapes import Shape


@layer("Permute")
class Permute(Layer):
    """SSD's Permute: axis i of the top is axis ``order[i]`` of the bottom.

    Axes that *order* leaves out follow in their own order.
    """

    backward_reads_bottom = False

    def setup(self) -> None:
        """Read the order."""
        self.given: Shape = tuple(self.proto.permute_param.order)
        for i, axis in enumerate(self.given):
            if axis in self.given[:i]:
                raise SpecError(
                    f"order names axis {axis} twice.",
                    "Name each axis once.",
                    field=f"permute_param.order.{i}",
                )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The bottom's extents in the new order."""
        shape = bottom[0]
        for i, axis in enumerate(self.given):
            if axis >= len(shape):
                raise SpecError(
                    f"order names axis {axis}, and the bottom has {len(shape)} axes.",
                    f"Choose from 0 to {len(shape) - 1}.",
                    field=f"permute_param.order.{i}",
                )
        return (tuple(shape[axis] for axis in self.geometry(bottom)),)

    def geometry(self, bottom: Shapes) -> Shape:
        """The bottom's axis for each of the top's."""
        rest = (a for a in range(len(bottom[0])) if a not in self.given)
        return (*self.given, *rest)

    def couples_batch(self, bottom: Shapes) -> bool:
        """Whether rows of the top are no longer images."""
        return self.geometry(bottom)[:1] != (0,)

    def forward(self, ops: Any, run: Run) -> None:
        """Move every element."""
        ops.permute(run.bottom[0], run.top[0], run.geometry)

    def backward(self, ops: Any, run: Run) -> None:
        """Move every gradient back."""
        order = run.geometry
        back = sorted(range(len(order)), key=order.__getitem__)
        ops.permute(run.top_diff[0], run.bottom_diff[0], back)
