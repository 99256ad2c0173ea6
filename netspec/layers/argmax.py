"""ArgMax: where the largest values are."""

from __future__ import annotations

from typing import Any

from netspec.backends.base import AxisSplit
from netspec.errors import SpecError
from netspec.layers.base import Array, Run, Shapes, layer, split_at
from netspec.layers.no_gradient import NoGradient
from netspec.shapes import Shape, canonical_axis, count, describe

PREFIX = "argmax_param"


@layer("ArgMax")
class ArgMax(NoGradient):
    """Caffe's ArgMax: the indices of the top_k largest values, the largest first.

    Without an axis, of all values of an image: N x 1 x top_k, or N x 2 x top_k with
    the values behind the indices where out_max_val is set.  Along an axis, its extent
    becomes top_k, and out_max_val gives the values instead.  Of equal values the later
    one comes first.
    """

    def setup(self) -> None:
        """Read argmax_param."""
        self.message = self.proto.argmax_param
        self.top_k: int = self.message.top_k
        self.gives_values: bool = self.message.out_max_val
        self.has_axis: bool = self.message.HasField("axis")
        if self.top_k < 1:
            raise SpecError(
                "top_k is 0.", "Choose at least 1.", field=f"{PREFIX}.top_k"
            )

    def geometry(self, bottom: Shapes) -> AxisSplit:
        """The values among which the largest are looked for, as one axis."""
        shape = bottom[0]
        if self.has_axis:
            return AxisSplit(*split_at(shape, self._axis(shape)))
        if not shape:
            raise SpecError(
                "bottom is a scalar.", "Give an image a row: N x C.", field="bottom"
            )
        return AxisSplit(shape[0], count(shape, 1), 1)

    def _axis(self, shape: Shape) -> int:
        return canonical_axis(self.message.axis, len(shape), f"{PREFIX}.axis")

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The axis cut to top_k; without one, N x 1 or 2 x top_k, padded with ones."""
        shape, values = bottom[0], self.geometry(bottom).size
        if self.top_k > values:
            raise SpecError(
                f"top_k {self.top_k} is above the {values} values of bottom 0 "
                f"({describe(shape)}).",
                f"Choose from 1 to {values}.",
                field=f"{PREFIX}.top_k",
            )
        if self.has_axis:
            axis = self._axis(shape)
            return ((*shape[:axis], self.top_k, *shape[axis + 1 :]),)
        rows = 2 if self.gives_values else 1
        return ((shape[0], rows, self.top_k, *(1,) * (len(shape) - 3)),)

    def couples_batch(self, bottom: Shapes) -> bool:
        """Whether the images of a batch are compared with each other."""
        return self.has_axis and self._axis(bottom[0]) == 0

    def forward(self, ops: Any, run: Run) -> None:
        """Find them."""
        ops.largest(run.bottom[0], run.geometry, *self._places(run))

    def _places(self, run: Run) -> tuple[Array | None, Array | None]:
        """Where indices and values go, (outer, top_k, inner) each."""
        axis, y = run.geometry, run.top[0]
        if self.has_axis:
            y = y.reshape(axis.outer, self.top_k, axis.inner)
            return (None, y) if self.gives_values else (y, None)
        rows = y.reshape(axis.outer, -1, self.top_k, 1)
        return rows[:, 0], rows[:, 1] if self.gives_values else None
