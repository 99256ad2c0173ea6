"""Normalize: the vector at each place brought to one length, then scaled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Array, Layer, ParamSpec, Run, Scratch, Shapes, layer
from netspec.proto import FillerParameter
from netspec.shapes import Shape, count, describe


@layer("Normalize")
class Normalize(Layer):
    """SSD's Normalize: y = scale · x / sqrt(Σ x² + eps), the sum over the channels of a
    place, or over the whole image (``across_spatial``).

    The gradient is the derivative; SSD's leaves the scales out of a sum where they
    differ between channels.
    """

    def setup(self) -> None:
        """Read norm_param."""
        self.message = self.proto.norm_param

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The bottom's, which must have a channel axis."""
        if len(bottom[0]) < 2:
            raise SpecError(
                f"bottom has shape {describe(bottom[0])}.",
                "Normalize takes at least two axes: N x C.",
                field="bottom",
            )
        return bottom

    def params(self, bottom: Shapes) -> tuple[ParamSpec, ...]:
        """The scale: one, or one a channel; 1 unless told."""
        given = self.message.HasField("scale_filler")
        one = FillerParameter(type="constant", value=1)
        shape: Shape = () if self.message.channel_shared else bottom[0][1:2]
        return (ParamSpec(shape, self.message.scale_filler if given else one),)

    def geometry(self, bottom: Shapes) -> Shape:
        """The bottom as (N, C, S)."""
        return (*bottom[0][:2], count(bottom[0], 2))

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """The length at each place, or of each image."""
        batch, _, places = self.geometry(bottom)
        across = self.message.across_spatial
        return {"norm": Scratch((batch, 1 if across else places))}

    def forward(self, ops: Any, run: Run) -> None:
        """Normalise and scale."""
        x, y = (a.reshape(run.geometry) for a in (run.bottom[0], run.top[0]))
        scale, norm = run.param[0].reshape(-1), run.scratch["norm"]
        ops.l2_normalize(x, scale, norm, y, self.message.eps)

    def backward(self, ops: Any, run: Run) -> None:
        """Gradients of the bottom and of the scale."""
        dy: Array = run.top_diff[0]
        dx, dscale = run.bottom_diff[0], run.param_diff[0]
        ops.l2_normalize_backward(
            run.bottom[0].reshape(run.geometry),
            run.param[0].reshape(-1),
            run.scratch["norm"],
            dy.reshape(run.geometry),
            None if dx is None else dx.reshape(run.geometry),
            None if dscale is None else dscale.reshape(-1),
        )
