"""Interp: bilinear interpolation."""

from __future__ import annotations

from typing import Any

from netspec.backends.base import Interpolation
from netspec.errors import SpecError
from netspec.layers.base import Array, Layer, Run, Shapes, layer
from netspec.shapes import Shape, count, describe

PREFIX = "interp_param"


@layer("Interp")
class Interp(Layer):
    """Interp of DeepLab and PSPNet: the output's corners fall on the input's corners,
    once ``pad_beg`` and ``pad_end`` (0 or below) have cut off rows and columns.

    The size is height and width, or follows from zoom_factor and shrink_factor.
    """

    backward_reads_bottom = False

    def setup(self) -> None:
        """Read interp_param."""
        message = self.message = self.proto.interp_param
        self.cut = (-message.pad_beg, -message.pad_end)
        if min(self.cut) < 0:
            name = "pad_beg" if self.cut[0] < 0 else "pad_end"
            raise SpecError(
                f"{name} is above 0.",
                "Give 0 or less: rows and columns can only be cut off.",
                field=f"{PREFIX}.{name}",
            )
        self.shrinks, self.zooms, fixed = (
            message.HasField(n) for n in ("shrink_factor", "zoom_factor", "height")
        )
        if not (self.shrinks or self.zooms or (fixed and message.HasField("width"))):
            raise SpecError(
                "no size is given.",
                "Give height and width, or zoom_factor or shrink_factor.",
                field=PREFIX,
            )
        for name in ("shrink_factor", "zoom_factor", "height", "width"):
            if message.HasField(name) and getattr(message, name) < 1:
                raise SpecError(
                    f"{name} is {getattr(message, name)}.",
                    "Choose at least 1.",
                    field=f"{PREFIX}.{name}",
                )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """(N, C, OH, OW)."""
        return ((*bottom[0][:2], *self.geometry(bottom).output),)

    def geometry(self, bottom: Shapes) -> Interpolation:
        """The part of each plane that is seen, and the size that it becomes.

        Raises:
            SpecError: the bottom has not four axes, or nothing is left of it.
        """
        if len(bottom[0]) != 4:
            raise SpecError(
                f"bottom has shape {describe(bottom[0])}.",
                "Interp takes four axes: N x C x H x W.",
                field="bottom",
            )
        seen = tuple(size - sum(self.cut) for size in bottom[0][2:])
        if min(seen) < 1:
            raise SpecError(
                f"pad_beg and pad_end leave nothing of the bottom, "
                f"{describe(bottom[0])}.",
                "Cut off less.",
                field=f"{PREFIX}.pad_beg",
            )
        return Interpolation(self.cut[0], seen, self._output(seen))

    def _output(self, seen: Shape) -> Shape:
        message = self.message
        sized = message.HasField("height") and message.HasField("width")
        if sized and self.shrinks == self.zooms:  # a single factor goes before a size
            return message.height, message.width
        if self.shrinks:
            seen = tuple((size - 1) // message.shrink_factor + 1 for size in seen)
        if self.zooms:
            seen = tuple((size - 1) * message.zoom_factor + 1 for size in seen)
        return seen

    def forward(self, ops: Any, run: Run) -> None:
        """Interpolate every plane."""
        ops.interpolate(_planes(run.bottom[0]), _planes(run.top[0]), run.geometry)

    def backward(self, ops: Any, run: Run) -> None:
        """Hand every gradient to the pixels it was interpolated from."""
        dy, dx = _planes(run.top_diff[0]), _planes(run.bottom_diff[0])
        ops.interpolate_backward(dy, dx, run.geometry)


def _planes(x: Array) -> Array:
    return x.reshape(count(x.shape, 0, 2), *x.shape[2:])
