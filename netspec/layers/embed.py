"""Embed: a row of a matrix for each index."""

from __future__ import annotations

from typing import Any

from netspec.errors import DataError, SpecError
from netspec.layers.base import Array, Layer, ParamSpec, Run, Shapes, layer

PREFIX = "embed_param"


@layer("Embed")
class Embed(Layer):
    """Caffe's Embed: y = row x of w, + b; the indices have no gradient."""

    def setup(self) -> None:
        """Read embed_param."""
        self.message = self.proto.embed_param
        self.length: int = self.message.num_output
        self.rows: int = self.message.input_dim
        for name, found in (("num_output", self.length), ("input_dim", self.rows)):
            if found < 1:
                raise SpecError(
                    f"{name} is missing or 0.",
                    "It must be at least 1.",
                    field=f"{PREFIX}.{name}",
                )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The bottom's axes, then num_output."""
        return ((*bottom[0], self.length),)

    def params(self, bottom: Shapes) -> tuple[ParamSpec, ...]:
        """Weights (input_dim, num_output) and bias (num_output)."""
        weights = ParamSpec((self.rows, self.length), self.message.weight_filler)
        if not self.message.bias_term:
            return (weights,)
        return weights, ParamSpec((self.length,), self.message.bias_filler)

    def forward(self, ops: Any, run: Run) -> None:
        """Look the rows up.

        Raises:
            DataError: an index that is no row.
        """
        index = run.bottom[0].reshape(-1)
        at = ops.first_bad_label(index, self.rows, None)
        if at >= 0:
            raise DataError(
                f"index {float(index[at]):g} is outside 0 to {self.rows - 1}: "
                f"input_dim is {self.rows}.",
                "Correct the index, or input_dim.",
            )
        bias = run.param[1] if self.message.bias_term else None
        y = run.top[0].reshape(-1, self.length)
        ops.take_rows(run.param[0], index, y, bias)

    def backward(self, ops: Any, run: Run) -> None:
        """Gradients add up in the rows that were looked up, and all in the bias."""
        if run.bottom_diff[0] is not None:
            raise SpecError(
                "has no gradient for its indices, and one is asked for.",
                "Remove force_backward, or set propagate_down: false.",
                field="bottom.0",
            )
        dy: Array = run.top_diff[0]
        dy = dy.reshape(-1, self.length)
        dw, *db = run.param_diff
        if dw is not None:
            ops.add_rows(dy, run.bottom[0].reshape(-1), dw)
        if db and db[0] is not None:
            ops.affine_gradient(None, dy.reshape(*dy.shape, 1), None, db[0])
