"""Bias: y = x + bias along some axes."""

from __future__ import annotations

from typing import Any

from netspec.layers.base import Array, Layer, ParamSpec, Run, Shapes, between, layer
from netspec.layers.covered_axes import around, covered_shape

PREFIX = "bias_param"


@layer("Bias")
class Bias(Layer):
    """Caffe's Bias: the bias is learned, or a second bottom."""

    bottoms = between(1, 2)
    allows_in_place = True
    backward_reads_bottom = False

    def setup(self) -> None:
        """Read bias_param."""
        self.message = self.proto.bias_param

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The first bottom's."""
        self.geometry(bottom)
        return bottom[:1]

    def geometry(self, bottom: Shapes) -> tuple[int, int, int]:
        """The first bottom's elements before, along and behind the bias's axes."""
        return around(self.message, bottom, PREFIX)

    def params(self, bottom: Shapes) -> tuple[ParamSpec, ...]:
        """The bias (0 unless told), where no bottom gives it."""
        if len(bottom) > 1:
            return ()
        shape = covered_shape(self.message, bottom, PREFIX)
        return (ParamSpec(shape, self.message.filler),)

    def forward(self, ops: Any, run: Run) -> None:
        """One pass."""
        x, y = run.bottom[0].reshape(run.geometry), run.top[0].reshape(run.geometry)
        bias = run.bottom[1] if len(run.bottom) > 1 else run.param[0]
        ops.affine(x, None, bias.reshape(-1), y)

    def backward(self, ops: Any, run: Run) -> None:
        """The bias gets the sum of the top's gradient, the bottom the gradient."""
        dy: Array = run.top_diff[0]
        is_bottom = len(run.bottom) > 1
        dbias = run.bottom_diff[1] if is_bottom else run.param_diff[0]
        if dbias is not None:
            if is_bottom:
                ops.fill(dbias, 0.0)
            flat = dy.reshape(run.geometry)
            ops.affine_gradient(None, flat, None, dbias.reshape(-1))
        dx = run.bottom_diff[0]
        if dx is not None and dx is not dy:
            ops.copy(dy, dx)
