"""The initialisation of the deeper nets from net A (VGG paper, section 3.1).

The first four convolutions and the fully connected layers of net A start the nets B
to E; everything else is drawn at random.  The paper counts the layers of net A; where
they go is decided by name, since only there do the shapes agree (A's second
convolution, 64 to 128 channels, is D's third).
"""

from __future__ import annotations

import glob
from collections.abc import Sequence

from netspec.errors import DataError, Place
from netspec.registry import suggest
from netspec.weights.report import Report
from netspec.weights.target import TargetLayer
from netspec.weights.transplant import plan_transplant
from netspec.weights.weights import Weights

_CONVOLUTIONS, _DENSE = 4, 3


def paper_layers(weights: Weights) -> list[str]:
    """Names of the first four convolutions and of all InnerProduct layers of a file.

    Raises:
        DataError: the file has fewer than four convolutions or other than three
            InnerProduct layers, or does not tell types (HDF5).
    """
    stored = [layer for layer in weights.layers.values() if layer.blobs]
    place = Place(weights.file) if weights.file else None
    if not any(layer.type for layer in stored):
        problem = "the file does not tell the types of its layers."
        raise DataError(problem, "Give net A as a .caffemodel.", place=place)
    convolutions = [x.name for x in stored if x.type == "Convolution"]
    dense = [x.name for x in stored if x.type == "InnerProduct"]
    if len(convolutions) < _CONVOLUTIONS or len(dense) != _DENSE:
        problem = (
            f"the file has {len(convolutions)} Convolution and {len(dense)} "
            "InnerProduct layers."
        )
        remedy = "The paper starts from net A: 8 convolutions, 3 fully connected."
        raise DataError(problem, remedy, place=place)
    return convolutions[:_CONVOLUTIONS] + dense


def plan_paper_transplant(target: Sequence[TargetLayer], weights: Weights) -> Report:
    """The plan that starts a deeper net from *weights* of net A.

    Raises:
        DataError: see :func:`paper_layers`; or the net lacks one of those layers, or
            has it in another shape.
    """
    names = [layer.name for layer in target]
    wanted = paper_layers(weights)
    for name in wanted:
        if name not in names:
            raise DataError(
                f"the net has no layer {name!r} to take the weights of net A.",
                suggest(name, names),
                place=Place(weights.file) if weights.file else None,
            )
    return plan_transplant(target, weights, only=[glob.escape(n) for n in wanted])
