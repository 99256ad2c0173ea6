"""BatchNorm: each channel brought to mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Layer, ParamSpec, Run, Scratch, Shapes, layer
from netspec.shapes import count, describe

BLOBS = 3  # sums of means, sums of variances, and the factor that divides both


@layer("BatchNorm")
class BatchNorm(Layer):
    """Caffe's BatchNorm: y = (x - mean) / sqrt(variance + eps), without a scale.

    By default TRAIN takes the statistics of the batch and adds them to the stored
    sums, and TEST takes the stored ones; use_global_stats says otherwise.  The stored
    variance is unbiased, the one that a batch is normalised by is not.
    """

    allows_in_place = True

    def setup(self) -> None:
        """Read batch_norm_param."""
        message = self.proto.batch_norm_param
        told = message.HasField("use_global_stats")
        self.uses_stored = message.use_global_stats if told else not self.training
        self.fraction: float = message.moving_average_fraction
        self.eps: float = message.eps
        self._check_rates()

    def _check_rates(self) -> None:
        """Statistics are not learned; three entries are an old file's, and ignored."""
        if len(self.proto.param) == BLOBS:
            return
        for i, param in enumerate(self.proto.param):
            if param.lr_mult != 0:
                raise SpecError(
                    f"param {i} has lr_mult {param.lr_mult:g}, and holds statistics, "
                    "which are not learned.",
                    "Set its lr_mult to 0, or leave out the param entries.",
                    field=f"param.{i}.lr_mult",
                )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The bottom's, which must have a channel axis."""
        if len(bottom[0]) < 2:
            raise SpecError(
                f"bottom has shape {describe(bottom[0])}.",
                "BatchNorm takes at least two axes: N x C.",
                field="bottom",
            )
        return bottom

    def params(self, bottom: Shapes) -> tuple[ParamSpec, ...]:
        """Sums of means and of variances, and their factor; all start at 0."""
        channels = bottom[0][1:2]
        shapes = (channels, channels, (1,))
        return tuple(ParamSpec(shape, trainable=False) for shape in shapes)

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """The statistics in use; in place, the normalised values too.

        In place nobody else keeps them: the layers that follow overwrite the top.
        """
        channels = bottom[0][1:2]
        statistics = {"mean": Scratch(channels), "variance": Scratch(channels)}
        if in_place and not self.uses_stored:
            return {**statistics, "normalised": Scratch(bottom[0], training=True)}
        return statistics

    def geometry(self, bottom: Shapes) -> int:
        """Values behind each statistic."""
        return count(bottom[0]) // max(1, bottom[0][1])

    def couples_batch(self, bottom: Shapes) -> bool:
        """Yes, through the statistics of the batch."""
        return not self.uses_stored

    def forward(self, ops: Any, run: Run) -> None:
        """Normalise; with the statistics of the batch, store them as well."""
        mean, variance = run.scratch["mean"], run.scratch["variance"]
        if self.uses_stored:
            ops.stored_statistics(run.param, mean, variance)
        else:
            ops.channel_statistics(run.bottom[0], mean, variance)
            self.gather(ops, run, (mean, variance))
        copy = run.scratch.get("normalised")
        ops.batch_norm(run.bottom[0], mean, variance, self.eps, run.top[0], copy)

    def gathered(self, run: Run) -> Sequence[Any]:
        """Mean and variance of the batch, where they are stored."""
        if self.uses_stored:
            return ()
        return run.scratch["mean"], run.scratch["variance"]

    def gather(self, ops: Any, run: Run, found: Sequence[Any]) -> None:
        """Add a mean and a variance to the stored sums."""
        ops.accumulate_statistics(*found, run.param, self.fraction, run.geometry)

    def backward(self, ops: Any, run: Run) -> None:
        """Gradient of the bottom."""
        dy, dx = run.top_diff[0], run.bottom_diff[0]
        if dx is None:
            return
        mean, variance = run.scratch["mean"], run.scratch["variance"]
        if self.uses_stored:
            ops.batch_norm_backward_stored(variance, self.eps, dy, dx)
            return
        x = run.scratch.get("normalised")
        if x is None:
            x = run.bottom[0]
        else:
            mean = None
        ops.batch_norm_backward(x, mean, variance, self.eps, dy, dx)
