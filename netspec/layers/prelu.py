"""PReLU: y = x where x > 0, else a · x, a learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Array, Layer, ParamSpec, Run, Scratch, Shapes, layer
from netspec.proto import FillerParameter
from netspec.shapes import Shape, count, describe


@layer("PReLU")
class PReLU(Layer):
    """Caffe's PReLU: one slope a channel (axis 1), or one for all.

    An input of exactly 0 is on the negative side.  In place the input is kept.
    """

    allows_in_place = True

    def setup(self) -> None:
        """Read prelu_param."""
        self.message = self.proto.prelu_param
        self.shared: bool = self.message.channel_shared

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The bottom's, which must have a channel axis."""
        if len(bottom[0]) < 2:
            raise SpecError(
                f"bottom has shape {describe(bottom[0])}.",
                "PReLU takes at least two axes: N x C.",
                field="bottom",
            )
        return bottom

    def params(self, bottom: Shapes) -> tuple[ParamSpec, ...]:
        """The slopes (C,), or one without axes; 0.25 unless told."""
        shape = () if self.shared else bottom[0][1:2]
        given = self.message.HasField("filler")
        quarter = FillerParameter(type="constant", value=0.25)
        return (ParamSpec(shape, self.message.filler if given else quarter),)

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """The input, where the output overwrites it."""
        return {"input": Scratch(bottom[0], training=True)} if in_place else {}

    def geometry(self, bottom: Shapes) -> Shape:
        """The bottom as (N, slopes, places of each)."""
        slopes = 1 if self.shared else bottom[0][1]
        return bottom[0][0], slopes, count(bottom[0], 1) // max(1, slopes)

    def forward(self, ops: Any, run: Run) -> None:
        """Bend what is below 0; keep the input where backward needs it."""
        if "input" in run.scratch:
            ops.copy(run.bottom[0], run.scratch["input"])
        x, y = (a.reshape(run.geometry) for a in (run.bottom[0], run.top[0]))
        ops.prelu(x, run.param[0].reshape(-1), y)

    def backward(self, ops: Any, run: Run) -> None:
        """The slopes' gradient first: dx may overwrite dy."""
        x: Array = run.scratch.get("input", run.bottom[0])
        dy: Array = run.top_diff[0]
        x, dy = x.reshape(run.geometry), dy.reshape(run.geometry)
        dslope, dx = run.param_diff[0], run.bottom_diff[0]
        if dslope is not None:
            ops.prelu_gradient(x, dy, dslope.reshape(-1))
        if dx is not None:
            slope = run.param[0].reshape(-1)
            ops.prelu_backward(x, slope, dy, dx.reshape(run.geometry))
