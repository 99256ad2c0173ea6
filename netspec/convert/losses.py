"""Which layers serve training and measuring only, and what takes their place."""

from __future__ import annotations

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
MEASURES = frozenset({"Accuracy", "Silence", "HDF5Output"})

# Names of the new layers, as Caffe's own deploy files have them.
NAMES = {"Softmax": "prob", "Sigmoid": "prob"}
