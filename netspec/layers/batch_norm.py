"""BatchNorm: each channel brought to mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netspec.backends.base import Epilogue
from netspec.errors import SpecError
from netspec.layers.base import Layer, ParamSpec, Run, Scratch, Shapes, Stage, layer
from netspec.layers.channel_scale import scale_channels, scale_channels_backward
from netspec.layers.fused_scale import NVIDIA_LEAST_EPS, fused_scale
from netspec.shapes import count, describe

BLOBS = 3  # sums of means, sums of variances, and the factor that divides both


@layer("BatchNorm")
class BatchNorm(Layer):
    """Caffe's BatchNorm: y = (x - mean) / sqrt(variance + eps), without a scale.

    By default TRAIN takes the statistics of the batch and adds them to the stored
    sums, and TEST takes the stored ones; use_global_stats says otherwise.  The stored
    variance is unbiased, the one that a batch is normalised by is not.

    With a field of NVIDIA's or Intel's fork that asks for it, a scale and a bias follow
    inside the layer; NVIDIA stores running means instead of sums, and biased variances.
    """

    allows_in_place = True
    repeats = True

    def setup(self) -> None:
        """Read batch_norm_param."""
        message = self.proto.batch_norm_param
        told = message.HasField("use_global_stats")
        self.uses_stored = message.use_global_stats if told else not self.training
        self.fraction: float = message.moving_average_fraction
        self.fused = fused_scale(message)
        self.averages = self.fused is not None and self.fused.averages
        self.eps: float = message.eps
        if self.averages:
            self.eps = max(self.eps, NVIDIA_LEAST_EPS)
        self._check_rates()

    def _check_rates(self) -> None:
        """Statistics are not learned; three entries are an old file's, and ignored."""
        if len(self.proto.param) == BLOBS or self.fused:
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
        """Sums of means and of variances, and their factor; all start at 0.

        Behind them, where a fork keeps them inside, the scale and the bias.
        """
        channels = bottom[0][1:2]
        shapes = (channels, channels, (1,))
        statistics = tuple(ParamSpec(shape, trainable=False) for shape in shapes)
        return statistics + (self.fused.params(channels) if self.fused else ())

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """The statistics in use; in place, or to be scaled, the normalised values too.

        Then nobody else keeps them: the top is overwritten.
        """
        channels = bottom[0][1:2]
        statistics = {"mean": Scratch(channels), "variance": Scratch(channels)}
        if self.fused or (in_place and not self.uses_stored):
            return {**statistics, "normalised": Scratch(bottom[0], training=True)}
        return statistics

    def geometry(self, bottom: Shapes) -> int:
        """Values behind each statistic."""
        return count(bottom[0]) // max(1, bottom[0][1])

    def couples_batch(self, bottom: Shapes) -> bool:
        """Yes, through the statistics of the batch."""
        return not self.uses_stored

    def stage(self, bottom: Shapes) -> Stage | None:
        """Numbers for each channel, where the statistics are stored ones."""
        return Stage.NORMALISE if self.uses_stored else None

    def join(self, ops: Any, run: Run, after: Epilogue) -> None:
        """Normalise by the stored statistics."""
        after.mean, after.variance = run.scratch["mean"], run.scratch["variance"]
        after.eps = self.eps
        ops.stored_statistics(run.param, after.mean, after.variance)

    def forward(self, ops: Any, run: Run) -> None:
        """Normalise; with the statistics of the batch, store them as well."""
        mean, variance = run.scratch["mean"], run.scratch["variance"]
        if self.uses_stored:
            ops.stored_statistics(run.param, mean, variance)
        else:
            ops.channel_statistics(run.bottom[0], mean, variance)
            self.gather(ops, run, (mean, variance))
        copy, y = run.scratch.get("normalised"), run.top[0]
        ops.batch_norm(run.bottom[0], mean, variance, self.eps, y, copy)
        if self.fused:
            bias = run.param[BLOBS + 1] if self.fused.has_bias else None
            scale_channels(ops, y, run.param[BLOBS], bias, y)

    def gathered(self, run: Run) -> Sequence[Any]:
        """Mean and variance of the batch, where they are stored."""
        if self.uses_stored:
            return ()
        return run.scratch["mean"], run.scratch["variance"]

    def gather(self, ops: Any, run: Run, found: Sequence[Any]) -> None:
        """Add a mean and a variance to the stored sums.

        Of NVIDIA's running means the new ones make up what the fraction leaves, and the
        factor with them: it tends to 1, which is what NVIDIA's files hold.
        """
        stored = run.param[:BLOBS]
        if not self.averages:
            ops.accumulate_statistics(*found, stored, self.fraction, run.geometry)
            return
        share = 1 - self.fraction
        for total, new in zip(stored, found):
            ops.eltwise_sum((total, new), total, (self.fraction, share))
        ops.power(stored[2], stored[2], 1, self.fraction, share)

    def backward(self, ops: Any, run: Run) -> None:
        """Gradients of a scale and a bias inside, and of the bottom."""
        dy, dx = run.top_diff[0], run.bottom_diff[0]
        if self.fused:
            gradients = [*run.param_diff[BLOBS:], None][:2]
            scale_channels_backward(ops, run.scratch["normalised"], dy, *gradients)
        if dx is None:
            return
        if self.fused:
            scale_channels(ops, dy, run.param[BLOBS], None, dx)
            dy = dx
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
