"""ShuffleChannel: the channels of all groups in turn."""

from __future__ import annotations

from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Array, Layer, Run, Shapes, layer
from netspec.shapes import Shape, count, describe

FIELD = "shuffle_channel_param.group"


@layer("ShuffleChannel")
class ShuffleChannel(Layer):
    """ShuffleNet's ShuffleChannel: of *group* runs of n channels, channel i of run g
    goes to place i · group + g."""

    backward_reads_bottom = False

    def setup(self) -> None:
        """Read the number of groups."""
        self.group: int = self.proto.shuffle_channel_param.group
        if self.group < 1:
            raise SpecError("group is 0.", "Choose at least 1.", field=FIELD)

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The bottom's, whose channels the groups must divide."""
        if len(bottom[0]) < 2 or bottom[0][1] % self.group:
            raise SpecError(
                f"group {self.group} does not divide the channels of the bottom, "
                f"{describe(bottom[0])}.",
                "Choose a divisor of axis 1.",
                field=FIELD,
            )
        return bottom

    def geometry(self, bottom: Shapes) -> Shape:
        """The bottom as (N, groups, channels of each, places)."""
        batch, channels = bottom[0][:2]
        return batch, self.group, channels // self.group, count(bottom[0], 2)

    def forward(self, ops: Any, run: Run) -> None:
        """Exchange groups and channels."""
        _swap(ops, run.bottom[0], run.top[0], run.geometry)

    def backward(self, ops: Any, run: Run) -> None:
        """Exchange them back."""
        batch, groups, channels, places = run.geometry
        split = (batch, channels, groups, places)
        _swap(ops, run.top_diff[0], run.bottom_diff[0], split)


def _swap(ops: Any, x: Array, y: Array, split: Shape) -> None:
    batch, first, second, places = split
    ops.permute(x.reshape(split), y.reshape(batch, second, first, places), (0, 2, 1, 3))
