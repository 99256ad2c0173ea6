"""Layers that are computed inside another's loop instead of in a pass of their own.

A ReLU in place on the fresh output of a layer that offers it (``fuses_relu``) becomes
that layer's last step.  Its own forward is then skipped; its backward is unchanged,
since the sign of its output tells all that it needs.
"""

from __future__ import annotations

from netspec.graph.graph import Graph, Node


def fused_relus(graph: Graph) -> dict[int, int]:
    """Index of each ReLU that is fused, by the index of the layer that computes it."""
    fused = {}
    for i, node in enumerate(graph.nodes):
        if node.layer.fuses_relu and len(node.tops) == 1 and not node.in_place:
            after = _first_reader(graph, i, node.tops[0])
            if after is not None and _plain_relu(graph.nodes[after]):
                fused[i] = after
    return fused


def _first_reader(graph: Graph, maker: int, blob: str) -> int | None:
    for i in range(maker + 1, len(graph.nodes)):
        if blob in graph.nodes[i].bottoms:
            return i
    return None


def _plain_relu(node: Node) -> bool:
    slope = node.layer.proto.relu_param.negative_slope
    return node.type == "ReLU" and node.in_place and slope == 0
