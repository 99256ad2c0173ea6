"""Reshape: the same elements under another shape."""

from __future__ import annotations

from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Alias, Layer, Run, Shapes, layer
from netspec.shapes import Shape, count, describe

_DIM = "reshape_param.shape.dim"


@layer("Reshape")
class Reshape(Layer):
    """Caffe's Reshape: num_axes axes from *axis* on are replaced by ``shape``.

    A dim of 0 keeps the bottom's extent at its place, one dim of -1 is whatever is
    left.  An *axis* below 0 counts from behind the last axis: -1 is the end.
    """

    alias = Alias.BOTH
    backward_reads_bottom = False

    def setup(self) -> None:
        """Read the new axes."""
        self.dims: Shape = tuple(self.proto.reshape_param.shape.dim)
        if min(self.dims, default=0) < -1:
            raise SpecError(
                f"dim {min(self.dims)} is no extent.",
                "Give a number above 0, 0 to keep the bottom's, or -1 for the rest.",
                field=_DIM,
            )
        if self.dims.count(-1) > 1:
            raise SpecError(
                f"{self.dims.count(-1)} dims are -1.",
                "One of them can be what is left.",
                field=_DIM,
            )

    def _span(self, axes: int) -> tuple[int, int]:
        """The bottom's axes that are replaced, first and one after the last."""
        param = self.proto.reshape_param
        start = param.axis if param.axis >= 0 else axes + param.axis + 1
        if not 0 <= start <= axes:
            raise SpecError(
                f"axis {param.axis} is out of range for a blob of {axes} axes.",
                f"Choose from {-axes - 1} to {axes}.",
                field="reshape_param.axis",
            )
        end = axes if param.num_axes == -1 else start + param.num_axes
        if not start <= end <= axes:
            raise SpecError(
                f"num_axes {param.num_axes} from axis {start} does not fit a blob of "
                f"{axes} axes.",
                f"Choose from 0 to {axes - start}, or -1 for all.",
                field="reshape_param.num_axes",
            )
        return start, end

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The new shape, which must hold as many elements."""
        shape = bottom[0]
        start, end = self._span(len(shape))
        dims = [d or self._kept(shape, start + i) for i, d in enumerate(self.dims)]
        around = count(shape, 0, start) * count(shape, end)
        if -1 in dims:
            rest = around * -count(tuple(dims))
            if rest == 0 or count(shape) % rest:
                raise self._misfit(shape, dims)
            dims[dims.index(-1)] = count(shape) // rest
        if around * count(tuple(dims)) != count(shape):
            raise self._misfit(shape, dims)
        return ((*shape[:start], *dims, *shape[end:]),)

    def _kept(self, shape: Shape, axis: int) -> int:
        if axis >= len(shape):
            raise SpecError(
                f"a dim of 0 keeps axis {axis}, and the bottom ({describe(shape)}) has "
                f"{len(shape)} axes.",
                "Give that axis a number.",
                field=_DIM,
            )
        return shape[axis]

    def _misfit(self, shape: Shape, dims: list[int]) -> SpecError:
        wanted = " x ".join(map(str, dims)) or "no axes"
        return SpecError(
            f"a bottom of {describe(shape)} ({count(shape)} elements) does not fit "
            f"{wanted} in place of {self._replaced(shape)}.",
            "The number of elements must stay the same; one dim may be -1.",
            field=_DIM,
        )

    def _replaced(self, shape: Shape) -> str:
        start, end = self._span(len(shape))
        return "x".join(map(str, shape[start:end])) or "no axes"

    def couples_batch(self, bottom: Shapes) -> bool:
        """Whether rows of the top are not the batch's, or their number is written."""
        first = self._span(len(bottom[0]))[0] == 0
        written = first and bool(self.dims) and self.dims[0] > 0
        return written or self.infer_shapes(bottom)[0][:1] != bottom[0][:1]

    def forward(self, ops: Any, run: Run) -> None:
        """Nothing: the top is the bottom's memory."""

    def backward(self, ops: Any, run: Run) -> None:
        """Nothing: the top's diff is the bottom's memory."""
