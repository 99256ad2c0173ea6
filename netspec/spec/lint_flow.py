"""Lints about what flows from layer to layer."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.proto import TRAIN
from netspec.spec.view import LEARNED, Finding, View, is_loss, scales_itself

_SINKS = {"Accuracy", "DetectionEvaluate", "Silence", "HDF5Output", "Python"}
_DATA = {"AnnotatedData", "Data", "ImageData", "HDF5Data", "WindowData"}
_INSIDE = {"SoftmaxWithLoss": "Softmax", "SigmoidCrossEntropyLoss": "Sigmoid"}


def unread_tops(view: View) -> Iterator[Finding]:
    """Tops that training computes and nothing uses."""
    if not view.trains:
        return
    for i, layer in enumerate(view.layers):
        if not layer.bottom or layer.type in _SINKS or layer.type.endswith("Loss"):
            continue
        for t, readers in enumerate(view.readers[i]):
            if not readers:
                text = f"top {layer.top[t]!r} is read by no layer while training."
                yield view.finding(text, i, "top", t)


def no_loss(view: View) -> Iterator[Finding]:
    """A net with training data and nothing to minimise."""
    if view.phase != TRAIN or view.trains:
        return
    learned = any(layer.type in LEARNED for layer in view.layers)
    rules = [rule for layer in view.layers for rule in layer.include]
    if learned and any(rule.HasField("phase") for rule in rules):
        for i, _ in view.of_type(*_DATA):
            yield view.finding("the training net that this feeds has no loss.", i)


def probabilities_into_loss(view: View) -> Iterator[Finding]:
    """Softmax before SoftmaxWithLoss, which contains one."""
    for i, layer in view.of_type(*_INSIDE):
        for source in view.sources[i][:1]:
            maker = view.layers[source].type if source >= 0 else ""
            if maker == _INSIDE[layer.type]:
                text = f"{layer.type} applies {maker} itself, so it is applied twice."
                yield view.finding(text, i, "bottom", 0)


def batch_norm_without_scale(view: View) -> Iterator[Finding]:
    """BatchNorm alone learns no scale and no shift."""
    for i, layer in view.of_type("BatchNorm"):
        readers = [view.layers[r].type for top in view.readers[i] for r in top]
        if "Scale" not in readers and not scales_itself(layer):
            yield view.finding(
                "no Scale layer follows: BatchNorm by itself learns neither scale nor "
                "shift (scale_param { bias_term: true } learns both).",
                i,
            )


def frozen_but_decaying(view: View) -> Iterator[Finding]:
    """Weights cut off from the loss by propagate_down shrink by weight decay."""
    if not view.trains:
        return
    above, graded = _reaching(view, True), _reaching(view, False)
    for i, layer in enumerate(view.layers):
        moves = any(p.lr_mult and p.decay_mult for p in layer.param) or not layer.param
        if layer.type in LEARNED and moves and above[i] and not graded[i]:
            yield view.finding(
                "propagate_down stops the gradient, but weight decay still shrinks the "
                "weights; param { lr_mult: 0 } freezes them.",
                i,
            )


def _reaching(view: View, forward: bool) -> list[bool]:
    """For each layer, whether a loss depends on it, or its gradient comes from one."""
    reached = [is_loss(layer) for layer in view.layers]
    for i in reversed(range(len(reached))):
        stops = view.layers[i].propagate_down
        for b, source in enumerate(view.sources[i]):
            passes = forward or b >= len(stops) or stops[b]
            if reached[i] and source >= 0 and passes:
                reached[source] = True
    return reached
