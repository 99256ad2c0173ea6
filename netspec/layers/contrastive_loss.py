"""ContrastiveLoss: pulls similar pairs together, pushes others beyond a margin."""

from __future__ import annotations

from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Run, Shapes, exactly, layer
from netspec.layers.loss import Loss, refuse_gradient
from netspec.shapes import Shape, count, describe


@layer("ContrastiveLoss")
class ContrastiveLoss(Loss):
    """Caffe's ContrastiveLoss (Hadsell, Chopra, LeCun 2006): two blobs of vectors and,
    for each pair, whether it is similar.

    E = Σ (s d² + (1 - s) max(margin - d, 0)²) / (2 N), d the distance of a pair.  The
    gradient divides by d + 1e-4, but not that of ``legacy_version``, which takes
    max(margin - d², 0).
    """

    bottoms = exactly(3)

    def setup(self) -> None:
        """Read the margin and the version."""
        param = self.proto.contrastive_loss_param
        self.margin: float = param.margin
        self.legacy: bool = param.legacy_version

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """A scalar; refuses what are no pairs of vectors with a number each."""
        shapes = super().infer_shapes(bottom)
        a, b, similar = bottom
        for i in (0, 1):
            _check_vectors(i, bottom[i])
        if count(a) != count(b):
            raise SpecError(
                f"bottom 0 has vectors of {count(a, 1)} ({describe(a)}), bottom 1 of "
                f"{count(b, 1)} ({describe(b)}).",
                "Both must be of one length.",
                field="bottom.1",
            )
        if count(similar) != a[0]:
            raise SpecError(
                f"bottom 2 ({describe(similar)}) holds {count(similar)} numbers for "
                f"{a[0]} pairs.",
                "Give one a pair: not 0 where it is similar.",
                field="bottom.2",
            )
        return shapes

    def geometry(self, bottom: Shapes) -> Shape:
        """Pairs, and the length of a vector."""
        return bottom[0][0], count(bottom[0], 1)

    def allows_force_backward(self, bottom: int) -> bool:
        """Similarity has no gradient."""
        return bottom != 2

    def forward(self, ops: Any, run: Run) -> None:
        """The loss."""
        a, b = (x.reshape(run.geometry) for x in run.bottom[:2])
        ops.contrastive_loss(
            a, b, run.bottom[2], run.top[0], self.margin, self.legacy, _factor(run)
        )

    def backward(self, ops: Any, run: Run) -> None:
        """The gradients of both vectors."""
        refuse_gradient(run, 2, "similarities")
        a, b = (x.reshape(run.geometry) for x in run.bottom[:2])
        for own, other, diff in (
            (a, b, run.bottom_diff[0]),
            (b, a, run.bottom_diff[1]),
        ):
            if diff is not None:
                ops.contrastive_loss_backward(
                    own, other, run.bottom[2], run.top_diff[0],
                    diff.reshape(run.geometry), self.margin, self.legacy, _factor(run),
                )  # fmt: skip


def _check_vectors(index: int, shape: Shape) -> None:
    if count(shape, 2) != 1:
        raise SpecError(
            f"bottom {index} has shape {describe(shape)}.",
            "Give a vector for each image: N x C.",
            field=f"bottom.{index}",
        )


def _factor(run: Run) -> float:
    return 0.5 / (run.geometry[0] * run.shards)
