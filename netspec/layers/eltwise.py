"""Eltwise: sum, product or maximum of bottoms of one shape, element by element."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.backends.base import Epilogue
from netspec.errors import SpecError
from netspec.layers.base import (
    Layer,
    Run,
    Scratch,
    Shapes,
    Stage,
    at_least,
    layer,
    same_shape,
)
from netspec.proto import EltwiseParameter

SUM, PROD, MAX = (EltwiseParameter.SUM, EltwiseParameter.PROD, EltwiseParameter.MAX)


@layer("Eltwise")
class Eltwise(Layer):
    """Caffe's Eltwise.

    Coefficients act on a sum only.  Of equal maxima the gradient goes to the second
    of the first two bottoms, and after that to the earlier one.
    """

    bottoms = at_least(2)
    repeats = True

    def setup(self) -> None:
        """Read the operation and its coefficients."""
        param = self.proto.eltwise_param
        self.operation = param.operation
        self.stable = param.stable_prod_grad
        self.coefficients: tuple[float, ...] = tuple(param.coeff)
        if self.operation == PROD and self.coefficients:
            raise SpecError(
                "coeff is given for operation PROD.",
                "Remove coeff, or choose operation SUM.",
                field="eltwise_param.coeff",
            )
        self.backward_reads_bottom = self.operation == PROD
        self.backward_reads_top = self.operation == PROD and not self.stable

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The shape of all bottoms."""
        given = len(self.coefficients)
        if given not in (0, len(bottom)):
            raise SpecError(
                f"coeff is given {given} times for {len(bottom)} bottoms.",
                "Give none, or one for each bottom.",
                field="eltwise_param.coeff",
            )
        same_shape(bottom)
        return (bottom[0],)

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """Which bottom is the largest, for a maximum."""
        return {"mask": Scratch(bottom[0], "int32")} if self.operation == MAX else {}

    def stage(self, bottom: Shapes) -> Stage | None:
        """The plain sum of two."""
        is_plain = self.operation == SUM and set(self.coefficients) <= {1.0}
        return Stage.ADD if is_plain and len(bottom) == 2 else None

    def join(self, ops: Any, run: Run, after: Epilogue) -> None:
        """Add the other bottom; that which the layer before makes is not in memory."""
        (after.other,) = (x for x in run.bottom if x is not None)

    def absorbs(self, stage: Stage, bottom: Shapes) -> bool:
        """A ReLU of a sum."""
        return self.operation == SUM and stage is Stage.RECTIFY

    def forward(self, ops: Any, run: Run) -> None:
        """Combine the bottoms in order."""
        if self.operation == SUM:
            relu = bool(run.followers)
            ops.eltwise_sum(run.bottom, run.top[0], self._factors(run), relu)
        elif self.operation == PROD:
            ops.eltwise_prod(run.bottom, run.top[0])
        else:
            ops.eltwise_max(run.bottom, run.top[0], run.scratch["mask"])

    def backward(self, ops: Any, run: Run) -> None:
        """The gradient of each bottom that wants one."""
        for i, dx in enumerate(run.bottom_diff):
            if dx is not None:
                self._backward(ops, run, i, dx)

    def _backward(self, ops: Any, run: Run, i: int, dx: Any) -> None:
        dy = run.top_diff[0]
        if self.operation == SUM:
            ops.scale(dy, dx, self._factors(run)[i])
        elif self.operation == MAX:
            ops.eltwise_max_backward(run.scratch["mask"], i, dy, dx)
        elif self.stable:
            ops.eltwise_prod_backward(run.bottom, i, dy, dx)
        else:
            ops.eltwise_quotient_backward(run.bottom[i], run.top[0], dy, dx)

    def _factors(self, run: Run) -> tuple[float, ...]:
        return self.coefficients or (1.0,) * len(run.bottom)
