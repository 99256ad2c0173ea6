"""Concat: bottoms one after another along an axis."""

from __future__ import annotations

from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Layer, Run, Shapes, at_least, layer
from netspec.shapes import Shape, canonical_axis, count, describe


@layer("Concat")
class Concat(Layer):
    """Caffe's Concat."""

    bottoms = at_least(1)
    backward_reads_bottom = False
    repeats = True

    def setup(self) -> None:
        """Read the axis, new or old spelling."""
        param = self.proto.concat_param
        old = param.HasField("concat_dim")
        if old and param.HasField("axis"):
            raise SpecError(
                f"both axis {param.axis} and concat_dim {param.concat_dim} are given.",
                "Keep axis; concat_dim is its old name.",
                field="concat_param.concat_dim",
            )
        self.field = "concat_param." + ("concat_dim" if old else "axis")
        self._axis_given: int = param.concat_dim if old else param.axis

    def axis(self, shape: Shape) -> int:
        """The axis, counted from the front."""
        return canonical_axis(self._axis_given, len(shape), self.field)

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The bottoms' shape with the axis added up."""
        axis = self.axis(bottom[0])
        for i, shape in enumerate(bottom):
            if _without(shape, axis) != _without(bottom[0], axis):
                raise SpecError(
                    f"bottom {i} has shape {describe(shape)}, bottom 0 has "
                    f"{describe(bottom[0])}; they may differ on axis {axis} only.",
                    "Make their other axes equal, or join along another axis.",
                    field=f"bottom.{i}",
                )
        total = sum(shape[axis] for shape in bottom)
        return ((*bottom[0][:axis], total, *bottom[0][axis + 1 :]),)

    def geometry(self, bottom: Shapes) -> tuple[int, tuple[int, ...]]:
        """Blocks before the axis, and where in each block every bottom starts."""
        axis = self.axis(bottom[0])
        return count(bottom[0], 0, axis), starts([count(s, axis) for s in bottom])

    def couples_batch(self, bottom: Shapes) -> bool:
        """Whether batches are joined to a longer one."""
        return self.axis(bottom[0]) == 0

    def joins_channels(self, bottom: Shapes) -> bool:
        """Along the second axis."""
        return self.axis(bottom[0]) == 1

    def forward(self, ops: Any, run: Run) -> None:
        """Copy every bottom to its place, that does not lie there already."""
        outer, places = run.geometry
        for x, start in zip(run.bottom, places):
            if x is not None:
                ops.write_block(x, run.top[0], outer, start)

    def backward(self, ops: Any, run: Run) -> None:
        """Copy every bottom's part of the gradient back."""
        outer, places = run.geometry
        for dx, start in zip(run.bottom_diff, places):
            if dx is not None:
                ops.read_block(run.top_diff[0], dx, outer, start)


def starts(lengths: list[int]) -> tuple[int, ...]:
    """Where each of several runs of elements begins when they lie end to end."""
    return tuple(sum(lengths[:i]) for i in range(len(lengths)))


def _without(shape: Shape, axis: int) -> tuple[Shape, Shape]:
    return shape[:axis], shape[axis + 1 :]
