"""Which layers and settings serve training only, and what takes their place."""

from __future__ import annotations

from collections.abc import Sequence

from netspec.layers import LAYERS
from netspec.proto import LayerParameter

# The layer that gives what the loss compares with the labels; None: its first bottom
# is that already.
PREDICTIONS: dict[str, str | None] = {
    "SoftmaxWithLoss": "Softmax",
    "InfogainLoss": None,
    "MultinomialLogisticLoss": None,
    "SigmoidCrossEntropyLoss": "Sigmoid",
    "HingeLoss": None,
    "EuclideanLoss": None,
    "ContrastiveLoss": None,
    "SmoothL1Loss": None,
}

# Layers that only measure, or only throw away.
MEASURES = frozenset({"Accuracy", "DetectionEvaluate", "Silence", "HDF5Output"})

# Names of the new layers, as Caffe's own deploy files have them.
NAMES = {"Softmax": "prob", "Sigmoid": "prob"}

_FILLERS = (
    "weight_filler", "bias_filler", "filler", "scale_filler", "slope_filler",
    "shift_filler",
)  # fmt: skip
# Messages whose fillers say more than how to begin: what a top holds, or which fork's
# layer it is.
_FILLERS_TELL = ("dummy_data_param", "batch_norm_param", "bn_param")


def is_constant(layer: LayerParameter) -> bool:
    """A DummyData whose values never change is part of the net."""
    fillers = layer.dummy_data_param.data_filler
    return layer.type == "DummyData" and all(f.type == "constant" for f in fillers)


def auxiliary_losses(layers: Sequence[LayerParameter]) -> set[str]:
    """Losses on the same labels as another one, and with less weight."""
    losses = [layer for layer in layers if LAYERS[layer.type].is_loss]
    heaviest: dict[str, float] = {}
    for loss in losses:
        label = loss.bottom[1] if len(loss.bottom) > 1 else ""
        heaviest[label] = max(heaviest.get(label, 0.0), _weight(loss))
    return {
        loss.name
        for loss in losses
        if len(loss.bottom) > 1 and _weight(loss) < heaviest[loss.bottom[1]]
    }


def _weight(loss: LayerParameter) -> float:
    return loss.loss_weight[0] if loss.loss_weight else 1.0


def prediction(loss: LayerParameter, taken: set[str]) -> LayerParameter:
    """The layer in place of a loss; without a type where the bottom will do."""
    kind = PREDICTIONS[loss.type]
    new = LayerParameter(name=loss.name, bottom=loss.bottom[:1])
    if kind is None:
        return new
    name = NAMES[kind]
    new.name = name if name not in taken else f"{loss.name}_{name}"
    taken.add(new.name)
    new.type = kind
    new.top.append(new.name)
    if kind == "Softmax" and loss.softmax_param.HasField("axis"):
        new.softmax_param.axis = loss.softmax_param.axis
    return new


def drop_fillers(layer: LayerParameter) -> None:
    """Remove fillers, and with them settings that then say nothing, in place."""
    for settings, value in layer.ListFields():
        if settings.message_type is None or settings.name in _FILLERS_TELL:
            continue
        for inner in [value] if settings.has_presence else value:
            for name in _FILLERS:
                if name in inner.DESCRIPTOR.fields_by_name:
                    inner.ClearField(name)
        if settings.has_presence and not value.ListFields():
            layer.ClearField(settings.name)
