"""What a target cannot express: collected over all layers, and told at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netspec.errors import SpecError
from netspec.graph import Node


class Unsupported(Exception):
    """Raised for one layer: why the target has no words for it, and what to do."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


class NeedsFixed(Exception):
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
    cause: Unsupported

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
