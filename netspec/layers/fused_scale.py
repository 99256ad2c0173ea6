"""Scale and bias inside a BatchNorm, as NVIDIA's and Intel's forks have them."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.errors import SpecError
from netspec.layers.base import ParamSpec
from netspec.proto import BatchNormParameter, FillerParameter
from netspec.shapes import Shape

PREFIX = "batch_norm_param"
NVIDIA = ("scale_bias", "scale_filler")
INTEL = ("use_weight_bias", "bias_term", "filler")
NVIDIA_LEAST_EPS = 1e-5


@dataclass(frozen=True)
class FusedScale:
    """Blobs 3 and 4 of a BatchNorm: y = scale · normalised + bias.

    Attributes:
        averages: whether the stored statistics are running means, as in NVIDIA's fork,
            and not Caffe's sums.
    """

    scale: FillerParameter
    bias: FillerParameter
    has_bias: bool
    averages: bool

    def params(self, channels: Shape) -> tuple[ParamSpec, ...]:
        """The scale, 1 unless told, and the bias."""
        scale = ParamSpec(channels, self.scale)
        return (scale, ParamSpec(channels, self.bias)) if self.has_bias else (scale,)


def fused_scale(message: BatchNormParameter) -> FusedScale | None:
    """What the message asks for; None: a plain BatchNorm.

    Intel's default would be to have both: here a fork's field must say so, since
    Caffe's own files have none.

    Raises:
        SpecError: fields of both forks.
    """
    given = {field.name for field, _ in message.ListFields()}
    nvidia = [n for n in NVIDIA if n in given]
    intel = [n for n in INTEL if n in given]
    if nvidia and intel:
        raise SpecError(
            f"has NVIDIA's {nvidia[0]} and Intel's {intel[0]}.",
            f"NVIDIA's fork knows {', '.join(NVIDIA)}; Intel's {', '.join(INTEL)}.",
            field=f"{PREFIX}.{intel[0]}",
        )
    fillers = "scale_filler" in given or "bias_filler" in given
    if intel:
        wanted = message.use_weight_bias or "use_weight_bias" not in given
    else:
        wanted = message.scale_bias or fillers
    if not wanted:
        return None
    one = FillerParameter(type="constant", value=1)
    named = next((n for n in ("scale_filler", "filler") if n in given), "")
    return FusedScale(
        scale=getattr(message, named) if named else one,
        bias=message.bias_filler,
        has_bias=message.bias_term or "bias_term" not in given,
        averages=not intel,
    )
