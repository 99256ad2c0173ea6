"""Scale: y = scale x, and + bias if wanted, along some axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.backends.base import Epilogue
from netspec.layers.base import (
    Array,
    Layer,
    ParamSpec,
    Run,
    Scratch,
    Shapes,
    Stage,
    between,
    layer,
)
from netspec.layers.covered_axes import around, covered_shape
from netspec.proto import FillerParameter

PREFIX = "scale_param"


@layer("Scale")
class Scale(Layer):
    """Caffe's Scale: the scale is learned, or a second bottom; the bias is learned."""

    bottoms = between(1, 2)
    allows_in_place = True
    repeats = True

    def setup(self) -> None:
        """Read scale_param."""
        self.message = self.proto.scale_param
        self.has_bias: bool = self.message.bias_term

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The first bottom's."""
        self.geometry(bottom)
        return bottom[:1]

    def geometry(self, bottom: Shapes) -> tuple[int, int, int]:
        """The first bottom's elements before, along and behind the scale's axes."""
        return around(self.message, bottom, PREFIX)

    def params(self, bottom: Shapes) -> tuple[ParamSpec, ...]:
        """The scale (1 unless told), where no bottom gives it, and the bias (0)."""
        shape = covered_shape(self.message, bottom, PREFIX)
        given = self.message.HasField("filler")
        one = FillerParameter(type="constant", value=1)
        scale = ParamSpec(shape, self.message.filler if given else one)
        bias = ParamSpec(shape, self.message.bias_filler)
        return (scale,) * (len(bottom) == 1) + (bias,) * self.has_bias

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """In place, the bottom as it was: the scale's gradient needs it."""
        return {"bottom": Scratch(bottom[0], training=True)} if in_place else {}

    def stage(self, bottom: Shapes) -> Stage | None:
        """Numbers for each channel, where they are learned ones."""
        by_channel = self.geometry(bottom)[:2] == bottom[0][:2]
        return Stage.SCALE if by_channel and len(bottom) == 1 else None

    def join(self, ops: Any, run: Run, after: Epilogue) -> None:
        """Scale, and add the bias."""
        after.scale = self._scale(run)
        after.shift = run.param[-1].reshape(-1) if self.has_bias else None

    def forward(self, ops: Any, run: Run) -> None:
        """One pass."""
        if "bottom" in run.scratch:
            ops.copy(run.bottom[0], run.scratch["bottom"])
        bias = run.param[-1].reshape(-1) if self.has_bias else None
        x, y = run.bottom[0].reshape(run.geometry), run.top[0].reshape(run.geometry)
        ops.affine(x, self._scale(run), bias, y)

    def backward(self, ops: Any, run: Run) -> None:
        """Gradients of scale and bias first: dx may overwrite dy."""
        dy: Array = run.top_diff[0]
        dy = dy.reshape(run.geometry)
        self._param_gradients(ops, run, dy)
        if run.bottom_diff[0] is not None:
            dx = run.bottom_diff[0].reshape(run.geometry)
            ops.affine(dy, self._scale(run), None, dx)

    def _param_gradients(self, ops: Any, run: Run, dy: Array) -> None:
        if len(run.bottom) > 1:
            dscale = run.bottom_diff[1]
            if dscale is not None:
                ops.fill(dscale, 0.0)
        else:
            dscale = run.param_diff[0]
        dbias = run.param_diff[-1] if self.has_bias else None
        x: Array = run.scratch.get("bottom", run.bottom[0])
        ops.affine_gradient(x.reshape(run.geometry), dy, _flat(dscale), _flat(dbias))

    def _scale(self, run: Run) -> Array:
        scale = run.bottom[1] if len(run.bottom) > 1 else run.param[0]
        return scale.reshape(-1)


def _flat(array: Array | None) -> Array | None:
    return None if array is None else array.reshape(-1)
