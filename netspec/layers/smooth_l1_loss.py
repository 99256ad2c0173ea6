"""SmoothL1Loss: a distance that outliers do not dominate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from netspec.backends.base import Term
from netspec.errors import SpecError
from netspec.layers.base import Array, Run, Scratch, Shapes, between, layer, same_shape
from netspec.layers.loss import Loss, Normalization, refuse_gradient
from netspec.proto import LossParameter
from netspec.shapes import count


@layer("SmoothL1Loss")
class SmoothL1Loss(Loss):
    """Fast R-CNN's SmoothL1Loss: Σ w_out f(w_in (x - t)) / N, where f(d) is
    (sigma d)² / 2 for |d| < 1 / sigma², else |d| - 1 / (2 sigma²).

    Bottoms are x and t, and then both weights or none.  ``loss_param`` may ask for
    another divisor than N, as in Intel's fork.
    """

    bottoms = between(2, 4)

    def setup(self) -> None:
        """Read sigma and the normalisation."""
        self.sigma: float = self.proto.smooth_l1_loss_param.sigma
        read = Normalization.read(self.proto.loss_param, LossParameter.BATCH_SIZE)
        self.normalization = replace(read, ignore=None)  # there are no labels
        if self.sigma <= 0:
            raise SpecError(
                f"sigma is {self.sigma:g}.",
                "Choose a number above 0.",
                field="smooth_l1_loss_param.sigma",
            )

    def check_arity(self, bottoms: int, tops: int) -> None:
        """Both weights, or none."""
        super().check_arity(bottoms, tops)
        if bottoms == 3:
            raise SpecError(
                "has one of two weights.",
                "Give the weights inside and outside of the distance, or none.",
                field="bottom.2",
            )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """A scalar."""
        same_shape(bottom)
        return super().infer_shapes(bottom)

    def geometry(self, bottom: Shapes) -> tuple[int, int]:
        """Images, and places."""
        return bottom[0][0], bottom[0][0] * count(bottom[0], 2)

    def allows_force_backward(self, bottom: int) -> bool:
        """Weights have no gradient."""
        return bottom < 2

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """w_in (x - t), and what becomes of it."""
        return {"distance": Scratch(bottom[0]), "value": Scratch(bottom[0])}

    def forward(self, ops: Any, run: Run) -> None:
        """The loss."""
        distance, value = run.scratch["distance"], run.scratch["value"]
        ops.eltwise_sum(run.bottom[:2], distance, (1.0, -1.0))
        if len(run.bottom) == 4:
            ops.eltwise_prod((run.bottom[2], distance), distance)
        ops.smooth_l1(distance, value, self.sigma)
        if len(run.bottom) == 4:
            ops.eltwise_prod((run.bottom[3], value), value)
        rows = value.reshape(1, -1)
        ops.reduce_rows(rows, run.top[0].reshape(1), Term.SUM, 1 / self._divisor(run))

    def backward(self, ops: Any, run: Run) -> None:
        """Gradients of x and t."""
        for i in range(2, len(run.bottom)):
            refuse_gradient(run, i, "weights")
        value = run.scratch["value"]
        dy: Array = run.top_diff[0]
        rows = value.reshape(1, -1)
        share = 1 / self._divisor(run)
        ops.reduce_rows_backward(rows, dy.reshape(1), rows, Term.SUM, share)
        ops.smooth_l1_backward(run.scratch["distance"], value, value, self.sigma)
        for weight in run.bottom[2:]:
            ops.eltwise_prod((weight, value), value)
        for diff, sign in zip(run.bottom_diff, (1.0, -1.0)):
            if diff is not None:
                ops.scale(value, diff, sign)

    def _divisor(self, run: Run) -> float:
        batch, places = run.geometry
        return self.normalization.divisor(run, batch, places) or 1.0
