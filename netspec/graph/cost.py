"""What a net costs, from shapes alone: parameters, MACs, bytes, receptive fields."""

from __future__ import annotations

from dataclasses import dataclass, replace

from netspec.graph.graph import Graph, Node
from netspec.layers.base import Alias, Window
from netspec.shapes import Shape, count

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Reach:
    """Receptive field of one position of a blob, per spatial axis of the input.

    *size* is the span of input pixels one output position sees, *step* the input
    pixels between neighbouring output positions.
    """

    size: Shape
    step: Shape

    def through(self, window: Window) -> Reach:
        """The receptive field after one more sliding window."""
        axes = list(zip(self.size, self.step, window.kernel, window.dilation))
        size = tuple(s + (k - 1) * d * step for s, step, k, d in axes)
        return Reach(size, tuple(a * b for a, b in zip(self.step, window.stride)))


@dataclass(frozen=True)
class LayerCost:
    """One row of ``netspec summary``.

    Attributes:
        parameters: elements this layer owns; a shared blob counts at its owner.
        macs: multiply-accumulates of one forward pass over the batch.
        activation_bytes: float32 bytes of the tops that are memory of their own.
        receptive: input pixels one output position sees, or None where the layer's
            top has no spatial axes.
    """

    name: str
    type: str
    shape: tuple[Shape, ...]
    parameters: int
    macs: int
    activation_bytes: int
    receptive: Shape | None


def layer_costs(graph: Graph) -> list[LayerCost]:
    """The cost of every node, in order."""
    reaches: dict[str, Reach | None] = {}
    owned: set[int] = set()
    rows = []
    for node in graph.nodes:
        reach = _reach(node, reaches)
        reaches.update(dict.fromkeys(node.tops, reach))
        mine = [p for p in node.params if p not in owned]
        owned.update(mine)
        rows.append(_row(graph, node, mine, reach))
    return rows


def _row(graph: Graph, node: Node, owned: list[int], reach: Reach | None) -> LayerCost:
    own_memory = node.layer.alias is Alias.NONE and not node.in_place
    elements = sum(map(count, node.top_shapes)) if own_memory else 0
    return LayerCost(
        name=node.name,
        type=node.type,
        shape=node.top_shapes,
        parameters=sum(graph.params[p].size for p in owned),
        macs=node.layer.macs(node.bottom_shapes, node.top_shapes),
        activation_bytes=elements * FLOAT_BYTES,
        receptive=reach.size if reach else None,
    )


def _reach(node: Node, known: dict[str, Reach | None]) -> Reach | None:
    """The widest receptive field of the bottoms, seen through the layer's window."""
    if node.layer.is_source or not node.bottoms:
        return _pixel(node.top_shapes[0] if node.top_shapes else ())
    found = [r for r in (known.get(b) for b in node.bottoms) if r is not None]
    if not found:
        return None
    reach = max(found, key=lambda r: count(r.size))
    window = node.layer.receptive(node.bottom_shapes)
    return reach.through(window) if window else replace(reach)


def _pixel(shape: Shape) -> Reach | None:
    axes = len(shape) - 2
    return Reach((1,) * axes, (1,) * axes) if axes > 0 else None
