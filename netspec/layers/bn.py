"""BN: batch normalisation with scale and bias, of two forks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import (
    Array,
    Layer,
    ParamSpec,
    Run,
    Scratch,
    Shapes,
    between,
    layer,
)
from netspec.layers.channel_scale import scale_channels, scale_channels_backward
from netspec.proto import BNParameter, FillerParameter
from netspec.shapes import describe

PREFIX = "bn_param"
SEGNET = ("scale_filler", "shift_filler", "bn_mode")
PSPNET = ("slope_filler", "bias_filler", "momentum", "eps", "frozen", "engine")
SEGNET_EPS = 1e-9


@layer("BN")
class BN(Layer):
    """y = w (x - mean) / sqrt(variance + eps) + b.

    SegNet's takes the statistics of the batch in both phases, and further tops get mean
    and variance, through which no gradient goes; with ``bn_mode: INFERENCE`` it is y =
    w x + b.  That of PSPNet and temporal segment networks takes running means in TEST,
    and where it is frozen.  Which it is follows from the fields that are given; without
    any it is PSPNet's.
    """

    tops = between(1, 3)
    allows_in_place = True

    def setup(self) -> None:
        """Read bn_param; refuse fields of both forks."""
        self.message = self.proto.bn_param
        given = [f.name for f, _ in self.message.ListFields()]
        segnet, pspnet = ([n for n in given if n in kind] for kind in (SEGNET, PSPNET))
        if segnet and pspnet:
            raise SpecError(
                f"has SegNet's {segnet[0]} and PSPNet's {pspnet[0]}.",
                f"SegNet's BN knows {', '.join(SEGNET)}; PSPNet's {', '.join(PSPNET)}.",
                field=f"{PREFIX}.{pspnet[0]}",
            )
        self.is_segnets = bool(segnet)
        folded = self.message.bn_mode == BNParameter.INFERENCE
        stored = self.message.frozen or not self.training
        self.normalises = not (self.is_segnets and folded)
        self.uses_batch = self.normalises and (self.is_segnets or not stored)
        self.eps = SEGNET_EPS if self.is_segnets else self.message.eps

    def check_arity(self, bottoms: int, tops: int) -> None:
        """Only SegNet's has further tops, the statistics."""
        super().check_arity(bottoms, tops)
        if tops > 1 and not (self.is_segnets and self.normalises):
            raise SpecError(
                f"has {tops} tops.",
                "Only SegNet's BN in mode LEARN gives mean and variance.",
                field="top.1",
            )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The bottom's, then those of mean and variance."""
        if len(bottom[0]) < 2:
            raise SpecError(
                f"bottom has shape {describe(bottom[0])}.",
                "BN takes at least two axes: N x C.",
                field="bottom",
            )
        statistics = (1, bottom[0][1], 1, 1)
        return (bottom[0], statistics, statistics)[: len(self.proto.top)]

    def params(self, bottom: Shapes) -> tuple[ParamSpec, ...]:
        """w and b (0 unless told); PSPNet's running mean and variance too."""
        shape, message = (1, bottom[0][1], 1, 1), self.message
        if self.is_segnets:
            fillers = (message.scale_filler, message.shift_filler)
            return tuple(ParamSpec(shape, filler) for filler in fillers)
        learned = not message.frozen
        one = FillerParameter(value=1 if message.frozen else 0)
        return (
            ParamSpec(shape, message.slope_filler, learned),
            ParamSpec(shape, message.bias_filler, learned),
            ParamSpec(shape, trainable=False),
            ParamSpec(shape, one, trainable=False),
        )

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """Statistics, and what is scaled, for the gradient of w."""
        channels = bottom[0][1:2]
        return {
            "mean": Scratch(channels),
            "variance": Scratch(channels),
            "normalised": Scratch(bottom[0], training=True),
        }

    def couples_batch(self, bottom: Shapes) -> bool:
        """Yes, through the statistics of the batch."""
        return self.uses_batch

    def forward(self, ops: Any, run: Run) -> None:
        """Normalise, scale, shift."""
        x, y = run.bottom[0], run.top[0]
        z = run.scratch.get("normalised", y)
        if self.normalises:
            mean, variance = self._statistics(ops, run)
            ops.batch_norm(x, mean, variance, self.eps, z)
        elif z is not x:
            ops.copy(x, z)
        scale_channels(ops, z, run.param[0], run.param[1], y)

    def _statistics(self, ops: Any, run: Run) -> tuple[Array, Array]:
        found = run.scratch["mean"], run.scratch["variance"]
        if self.uses_batch:
            ops.channel_statistics(run.bottom[0], *found)
            self.gather(ops, run, found)
            for value, top in zip(found, run.top[1:]):
                ops.copy(value, top.reshape(-1))
        else:
            for stored, value in zip(run.param[2:], found):
                ops.copy(stored.reshape(-1), value)
        return found

    def gathered(self, run: Run) -> Sequence[Array]:
        """Mean and variance of the batch, where they are stored."""
        if self.is_segnets or not self.uses_batch:
            return ()
        return run.scratch["mean"], run.scratch["variance"]

    def gather(self, ops: Any, run: Run, found: Sequence[Array]) -> None:
        """Let the running means move towards a mean and a variance."""
        kept = self.message.momentum
        for stored, value in zip(run.param[2:], found):
            running = stored.reshape(-1)
            ops.eltwise_sum((running, value), running, (kept, 1 - kept))

    def backward(self, ops: Any, run: Run) -> None:
        """Gradients of w and b first: dx may overwrite dy."""
        z, dy, dx = run.scratch["normalised"], run.top_diff[0], run.bottom_diff[0]
        scale_channels_backward(ops, z, dy, *run.param_diff[:2])
        if dx is None:
            return
        scale_channels(ops, dy, run.param[0], None, dx)
        variance = run.scratch["variance"]
        if self.uses_batch:
            ops.batch_norm_backward(z, None, variance, self.eps, dx, dx)
        elif self.normalises:
            ops.batch_norm_backward_stored(variance, self.eps, dx, dx)
