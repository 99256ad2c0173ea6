"""What weights are loaded into, reduced to names and shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netspec.shapes import Shape

if TYPE_CHECKING:  # every layer comes with it, and reading weights needs none
    from netspec.graph import Graph


@dataclass(frozen=True)
class TargetBlob:
    """One parameter of a layer; *shared* where another layer owns it."""

    shape: Shape
    shared: bool = False


@dataclass(frozen=True)
class TargetLayer:
    """One layer of a net, with its parameters in order."""

    name: str
    type: str
    blobs: tuple[TargetBlob, ...] = ()


def target_of(graph: Graph) -> list[TargetLayer]:
    """The layers of a graph as a target, in order of execution."""
    layers: list[TargetLayer] = []
    owned: set[int] = set()
    for node in graph.nodes:
        specs = node.layer.params(node.bottom_shapes)
        blobs = tuple(
            TargetBlob(spec.shape, i in owned) for spec, i in zip(specs, node.params)
        )
        owned.update(node.params)
        layers.append(TargetLayer(node.name, node.type, blobs))
    return layers
