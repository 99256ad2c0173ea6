"""Why a layer of a file does not fit a layer of the net, and what may help."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.shapes import Shape, count, describe
from netspec.weights.target import TargetLayer
from netspec.weights.weights import LayerWeights

_FRESH = "To learn it from scratch, rename the layer or say --on-mismatch reinit."


@dataclass(frozen=True)
class Mismatch:
    """One layer that does not fit: a sentence, what to do, and a word for tables."""

    layer: TargetLayer
    problem: str
    remedy: str
    note: str


def count_mismatch(layer: TargetLayer, source: LayerWeights) -> Mismatch:
    """The file lists the layer with another number of blobs."""
    given, wanted = len(source.stored), len(layer.blobs)
    problem = f"the file has {given} {_blobs(given)} for it, the net has {wanted}."
    remedy = f"{_count_hint(layer, given)} {_FRESH}".strip()
    return Mismatch(layer, problem, remedy, f"{given} {_blobs(given)} in the file")


def blob_mismatch(layer: TargetLayer, index: int, given: Shape) -> Mismatch:
    """A blob of the file has another shape."""
    wanted = layer.blobs[index].shape
    problem = (
        f"blob {index} is {describe(given)} in the file and {describe(wanted)} in the "
        "net."
    )
    remedy = f"{_shape_hint(layer, given, wanted)} {_FRESH}".strip()
    return Mismatch(layer, problem, remedy, f"blob {index} does not fit")


def _blobs(number: int) -> str:
    return "blob" if number == 1 else "blobs"


def _count_hint(layer: TargetLayer, given: int) -> str:
    wanted = len(layer.blobs)
    if layer.type == "BatchNorm" and (given, wanted) == (5, 3):
        return (
            "NVIDIA's fork keeps scale and bias inside BatchNorm: set "
            "batch_norm_param { scale_bias: true } and remove the Scale that follows."
        )
    if given == 0:
        return "The file holds the net's text without its weights."
    return "Does bias_term differ?" if {given, wanted} == {1, 2} else ""


def _shape_hint(layer: TargetLayer, given: Shape, wanted: Shape) -> str:
    """What is the likely cause of two shapes that differ."""
    given = given[2:] if given[:2] == (1, 1) and len(given) == 4 else given
    if given == wanted[::-1] and len(wanted) > 1:
        return "They are each other's transpose: see inner_product_param.transpose."
    if layer.type == "InnerProduct" and len(given) == len(wanted) == 2:
        if given[0] == wanted[0]:
            return (
                "Only the number of inputs differs: the file was trained with another "
                "crop_size or input size (227 and 224, for example)."
            )
        if given[1] == wanted[1]:
            return "Only the number of outputs differs (num_output)."
    if count(given) == count(wanted):
        return "The number of values agrees, but their meaning need not."
    return ""
