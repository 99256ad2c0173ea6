"""Slice: a bottom cut along an axis into its tops."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Layer, Run, Shapes, at_least, layer
from netspec.layers.concat import starts
from netspec.shapes import Shape, canonical_axis, count


@layer("Slice")
class Slice(Layer):
    """Caffe's Slice: equal parts, or parts that start at the slice points."""

    tops = at_least(1)
    backward_reads_bottom = False

    def setup(self) -> None:
        """Read the axis, new or old spelling, and the slice points."""
        param = self.proto.slice_param
        old = param.HasField("slice_dim")
        if old and param.HasField("axis"):
            raise SpecError(
                f"both axis {param.axis} and slice_dim {param.slice_dim} are given.",
                "Keep axis; slice_dim is its old name.",
                field="slice_param.slice_dim",
            )
        self.field = "slice_param." + ("slice_dim" if old else "axis")
        self._axis_given: int = param.slice_dim if old else param.axis
        self.points: tuple[int, ...] = tuple(param.slice_point)
        self.parts = len(self.proto.top)
        if self.points and len(self.points) != self.parts - 1:
            raise SpecError(
                f"has {len(self.points)} slice points for {self.parts} tops.",
                f"Give {self.parts - 1}, or none for equal parts.",
                field="slice_param.slice_point",
            )

    def axis(self, shape: Shape) -> int:
        """The axis, counted from the front."""
        return canonical_axis(self._axis_given, len(shape), self.field)

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The bottom's shape with the axis cut."""
        axis, shape = self.axis(bottom[0]), bottom[0]
        sizes = self._sizes(shape[axis])
        return tuple((*shape[:axis], size, *shape[axis + 1 :]) for size in sizes)

    def _sizes(self, length: int) -> list[int]:
        if self.points:
            edges = [0, *self.points, length]
            sizes = [stop - start for start, stop in pairwise(edges)]
            if min(sizes) > 0:
                return sizes
            raise SpecError(
                f"slice points {', '.join(map(str, self.points))} do not cut an axis "
                f"of {length} into {self.parts} parts.",
                f"They must rise, from 1 to {length - 1} at most.",
                field="slice_param.slice_point",
            )
        if length % self.parts or not length:
            raise SpecError(
                f"an axis of {length} cannot be cut into {self.parts} equal parts.",
                "Give slice_point, or another number of tops.",
                field="top",
            )
        return [length // self.parts] * self.parts

    def geometry(self, bottom: Shapes) -> tuple[int, tuple[int, ...]]:
        """Blocks before the axis, and where in each block every top starts."""
        axis = self.axis(bottom[0])
        lengths = [count(shape, axis) for shape in self.infer_shapes(bottom)]
        return count(bottom[0], 0, axis), starts(lengths)

    def couples_batch(self, bottom: Shapes) -> bool:
        """Whether the batch itself is cut."""
        return self.axis(bottom[0]) == 0

    def forward(self, ops: Any, run: Run) -> None:
        """Copy every top from its place."""
        outer, places = run.geometry
        for y, start in zip(run.top, places):
            ops.read_block(run.bottom[0], y, outer, start)

    def backward(self, ops: Any, run: Run) -> None:
        """Copy the tops' gradients to their places; 0 for a top without one."""
        outer, places = run.geometry
        dx = run.bottom_diff[0]
        if any(dy is None for dy in run.top_diff):
            ops.fill(dx, 0.0)
        for dy, start in zip(run.top_diff, places):
            if dy is not None:
                ops.write_block(dy, dx, outer, start)
