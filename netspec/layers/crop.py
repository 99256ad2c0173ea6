"""Crop: the part of a blob that has another's extent."""

from __future__ import annotations

from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Layer, Run, Shapes, exactly, layer
from netspec.shapes import Shape, canonical_axis, describe

PREFIX = "crop_param"


@layer("Crop")
class Crop(Layer):
    """Caffe's Crop: bottom 0, from *axis* on cut to the extent of bottom 1.

    Bottom 1 gives its shape only: its gradient is 0.
    """

    bottoms = exactly(2)
    backward_reads_bottom = False

    def setup(self) -> None:
        """Read the axis and the offsets."""
        self.message = self.proto.crop_param
        self.offsets: Shape = tuple(self.message.offset)

    def _axis(self, bottom: Shapes) -> int:
        return canonical_axis(self.message.axis, len(bottom[0]), f"{PREFIX}.axis")

    def geometry(self, bottom: Shapes) -> Shape:
        """The offset along every axis."""
        axis = self._axis(bottom)
        cropped = len(bottom[0]) - axis
        if len(self.offsets) not in (0, 1, cropped):
            raise SpecError(
                f"offset is given {len(self.offsets)} times for the {cropped} axes "
                f"from axis {axis} on.",
                f"Give none, one for all, or {cropped}.",
                field=f"{PREFIX}.offset",
            )
        offsets = self.offsets or (0,)
        each = offsets * cropped if len(offsets) == 1 else offsets
        return (0,) * axis + each

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The first bottom's axes before *axis*, then the second's."""
        whole, reference = bottom
        axis, offset = self._axis(bottom), self.geometry(bottom)
        if len(reference) < len(whole):
            raise SpecError(
                f"bottom 1 has shape {describe(reference)}, and bottom 0 has "
                f"{len(whole)} axes ({describe(whole)}).",
                "Bottom 1 must have as many.",
                field="bottom.1",
            )
        for i in range(axis, len(whole)):
            room = whole[i] - reference[i]
            if offset[i] > room:
                raise SpecError(
                    f"{reference[i]} elements from offset {offset[i]} do not fit axis "
                    f"{i} of bottom 0 ({describe(whole)}).",
                    f"Choose an offset up to {room}."
                    if room >= 0
                    else "Bottom 1 must not be larger than bottom 0.",
                    field=f"{PREFIX}.offset",
                )
        return ((*whole[:axis], *reference[axis : len(whole)]),)

    def couples_batch(self, bottom: Shapes) -> bool:
        """Whether the batch itself is cropped."""
        return self._axis(bottom) == 0

    def forward(self, ops: Any, run: Run) -> None:
        """Copy the part."""
        ops.crop(run.bottom[0], run.top[0], run.geometry)

    def backward(self, ops: Any, run: Run) -> None:
        """The part's gradient in its place, 0 elsewhere."""
        if run.bottom_diff[0] is not None:
            ops.crop_backward(run.top_diff[0], run.bottom_diff[0], run.geometry)
        if run.bottom_diff[1] is not None:
            ops.fill(run.bottom_diff[1], 0.0)
