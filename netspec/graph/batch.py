"""The same net at another batch size."""

from __future__ import annotations

from dataclasses import replace

from netspec.graph.build import Feeding
from netspec.graph.graph import Graph
from netspec.shapes import Shape


def with_batch(graph: Graph, batch: int, feeding: Feeding | None = None) -> Feeding:
    """Shapes under which every source of a graph gives *batch* rows."""

    def resized(shape: Shape) -> Shape:
        return (batch, *shape[1:]) if shape else shape

    inputs = {
        name: resized(shape)
        for node in graph.sources
        for name, shape in zip(node.tops, node.top_shapes)
    }
    return replace(feeding or Feeding(), inputs=inputs)
