"""Inner product (fully connected): y = x wᵀ + b over all axes from one on."""

from __future__ import annotations

from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Array, Layer, ParamSpec, Run, Shapes, layer
from netspec.shapes import Shape, canonical_axis, count

PREFIX = "inner_product_param"


@layer("InnerProduct")
class InnerProduct(Layer):
    """Caffe's InnerProduct: axes before *axis* are a batch, the others one vector."""

    repeats = True

    def setup(self) -> None:
        """Read inner_product_param."""
        self.message = self.proto.inner_product_param
        self.length: int = self.message.num_output
        self.transpose: bool = self.message.transpose
        if self.length < 1:
            raise SpecError(
                "num_output is missing or 0.",
                "It must be at least 1.",
                field=f"{PREFIX}.num_output",
            )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The axes before *axis*, then num_output."""
        return ((*bottom[0][: self._axis(bottom[0])], self.length),)

    def geometry(self, bottom: Shapes) -> Shape:
        """(rows, values summed over for each output)."""
        axis = self._axis(bottom[0])
        return count(bottom[0], 0, axis), count(bottom[0], axis)

    def params(self, bottom: Shapes) -> tuple[ParamSpec, ...]:
        """Weights, num_output × inputs (the other way where *transpose*), and bias."""
        shape = (self.length, self.geometry(bottom)[1])
        shape = shape[::-1] if self.transpose else shape
        weights = ParamSpec(shape, self.message.weight_filler)
        if not self.message.bias_term:
            return (weights,)
        return weights, ParamSpec((self.length,), self.message.bias_filler)

    def macs(self, bottom: Shapes, top: Shapes) -> int:
        """One for each weight and row."""
        return count(bottom[0]) * self.length

    def forward(self, ops: Any, run: Run) -> None:
        """One product."""
        x = run.bottom[0].reshape(run.geometry)
        y = run.top[0].reshape(-1, self.length)
        bias = run.param[1] if self.message.bias_term else None
        ops.inner_product_forward(x, run.param[0], bias, y, self.transpose)

    def backward(self, ops: Any, run: Run) -> None:
        """Gradients of the bottom and of the parameters, where wanted."""
        above: Array = run.top_diff[0]
        dy = above.reshape(-1, self.length)
        below = run.bottom_diff[0]
        if below is not None:
            dx = below.reshape(run.geometry)
            ops.inner_product_backward_data(dy, run.param[0], dx, self.transpose)
        dw, *db = run.param_diff
        ops.inner_product_backward_weights(
            run.bottom[0].reshape(run.geometry),
            dy,
            dw,
            db[0] if db else None,
            self.transpose,
        )

    def _axis(self, shape: Shape) -> int:
        return canonical_axis(self.message.axis, len(shape), f"{PREFIX}.axis")
