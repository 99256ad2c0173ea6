"""What a target cannot express: collected over all layers, and told at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netspec.errors import SpecError
from netspec.graph import Node


class UnsupportedError(Exception):
    """Raised for one layer: why the target has no words for it, and what to do."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


class NeedsFixedError(Exception):
    """Raised for one layer that can be expressed only at sizes known beforehand.

    Args:
        what: ``"batch"`` or ``"size"``.
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(reason)
        self.what, self.reason = what, reason


@dataclass(frozen=True)
class Refusal:
    """One layer that was refused."""

    node: Node
    cause: UnsupportedError

    def __str__(self) -> str:
        node = self.node
        place = f"{node.place}: " if node.place else ""
        return f"{place}layer '{node.name}' ({node.type}): {self.cause.reason}"


def refuse(target: str, refusals: Sequence[Refusal]) -> SpecError:
    """One error that names every layer, and every remedy once."""
    remedies = dict.fromkeys(refusal.cause.remedy for refusal in refusals)
    lines = [f"  {refusal}" for refusal in refusals]
    count = f"{len(refusals)} layer" + ("s" if len(refusals) > 1 else "")
    return SpecError(
        "\n".join([f"{target} cannot express {count}:", *lines]),
        "\n  ".join(remedies),
    )


_STATES = (
    "it keeps its states from one pass to the next, and sees its cont at each step"
)
_DATA = "how much it gives depends on the data"
_REASONS = {
    "DetectionOutput": f"{_DATA}, and no runtime's NonMaxSuppression has its options",
    "Filter": _DATA,
    "LSTM": _STATES,
    "LSTMUnit": _STATES,
    "PSROIPooling": "no runtime has an operator for it",
    "Python": "its code is the user's own",
    "RNN": _STATES,
    "ROIPooling": "runtimes round its regions differently, where they have it",
}


def unknown_layer(kind: str, target: str) -> UnsupportedError:
    """An error about a layer type that no emitter knows."""
    default = f"{target} has nothing that computes the same"
    if target == "Keras":
        default = "it is not among the layers of classic ConvNets"
    reason = _REASONS.get(kind, default)
    return UnsupportedError(
        f"{reason}.",
        "End the net before it (the blob before it is an output then), and compute it "
        "in your own code.",
    )
