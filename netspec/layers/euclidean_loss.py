"""EuclideanLoss: half the squared distance of two blobs, averaged over the batch."""

from __future__ import annotations

from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Run, Shapes, layer
from netspec.layers.loss import Loss
from netspec.shapes import count, describe


@layer("EuclideanLoss")
class EuclideanLoss(Loss):
    """Caffe's EuclideanLoss: Σ (a - b)² / (2 N); both bottoms have a gradient."""

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """A scalar; refuses bottoms whose rows differ in length."""
        shapes = super().infer_shapes(bottom)
        a, b = bottom
        if count(a, 1) != count(b, 1):
            raise SpecError(
                f"bottom 0 ({describe(a)}) has {count(a, 1)} values an image, "
                f"bottom 1 ({describe(b)}) has {count(b, 1)}.",
                "Both must have the same number.",
                field="bottom.1",
            )
        return shapes

    def geometry(self, bottom: Shapes) -> int:
        """Images of the batch at hand."""
        return bottom[0][0]

    def forward(self, ops: Any, run: Run) -> None:
        """Σ (a - b)² / (2 N)."""
        a, b = run.bottom
        ops.squared_distance(a, b.reshape(a.shape), run.top[0], self._factor(run))

    def backward(self, ops: Any, run: Run) -> None:
        """± weight · (a - b) / N."""
        a, b = run.bottom
        sides = ((a, b, run.bottom_diff[0]), (b, a, run.bottom_diff[1]))
        for own, other, diff in sides:
            if diff is not None:
                ops.squared_distance_backward(
                    own, other.reshape(own.shape), run.top_diff[0], diff,
                    self._factor(run),
                )  # fmt: skip

    def _factor(self, run: Run) -> float:
        return 0.5 / (run.geometry * run.shards)
