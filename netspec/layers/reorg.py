"""Reorg: blocks of pixels as channels, in the order of darknet."""

from __future__ import annotations

from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Array, Layer, Run, Shapes, layer
from netspec.shapes import Shape, describe

FIELD = "reorg_param.stride"
# Of the bottom's memory as (N, C / s², H, s, W, s): every s-th pixel, s² times.
_ORDER = (0, 3, 5, 1, 2, 4)
_BACK = (0, 3, 4, 1, 5, 2)


@layer("Reorg")
class Reorg(Layer):
    """YOLOv2's Reorg: (N, C, H, W) to (N, C s², H / s, W / s), s being the stride.

    As in darknet the bottom's memory is taken for (N, C / s², H s, W s); of that, every
    s-th pixel down and across makes C / s² of C channels of H x W; and that memory is
    the top's. ``reverse`` is the way back. The gradient is the derivative.
    """

    backward_reads_bottom = False

    def setup(self) -> None:
        """Read the stride."""
        self.stride: int = self.proto.reorg_param.stride
        self.reverse: bool = self.proto.reorg_param.reverse
        if self.stride < 1:
            raise SpecError("stride is missing or 0.", "Give at least 1.", field=FIELD)

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """Refuses what the stride does not divide."""
        self._check(bottom[0])
        batch, channels, height, width = bottom[0]
        s = self.stride
        if self.reverse:
            return ((batch, channels // (s * s), height * s, width * s),)
        return ((batch, channels * s * s, height // s, width // s),)

    def _check(self, shape: Shape) -> None:
        s = self.stride
        if len(shape) != 4 or shape[1] % (s * s):
            raise SpecError(
                f"stride {s}, squared, does not divide the channels of the bottom, "
                f"{describe(shape)}.",
                f"Give it N x C x H x W with a multiple of {s * s} channels.",
                field=FIELD,
            )
        if not self.reverse and (shape[2] % s or shape[3] % s):
            raise SpecError(
                f"stride {s} does not divide the map of the bottom, {describe(shape)}.",
                "Choose a divisor of H and W.",
                field=FIELD,
            )

    def geometry(self, bottom: Shapes) -> tuple[Shape, Shape, tuple[int, ...]]:
        """The memory of bottom and top as six axes, and the order from one to the
        other."""
        batch, channels, height, width = bottom[0]
        s = self.stride
        spread = (batch, channels // (s * s), height, s, width, s)
        stacked = tuple(spread[axis] for axis in _ORDER)
        if self.reverse:
            return stacked, spread, _BACK
        return spread, stacked, _ORDER

    def forward(self, ops: Any, run: Run) -> None:
        """Move every element."""
        before, after, order = run.geometry
        ops.permute(run.bottom[0].reshape(before), run.top[0].reshape(after), order)

    def backward(self, ops: Any, run: Run) -> None:
        """Move every gradient back."""
        before, after, order = run.geometry
        back = _ORDER if order is _BACK else _BACK
        dy: Array = run.top_diff[0]
        dx: Array = run.bottom_diff[0]
        ops.permute(dy.reshape(after), dx.reshape(before), back)
