"""Which layers of a lean net work in place though their file gives them a top apart.

Only where nobody could tell: no other layer reads the bottom, forward or backward, and
no caller does.
"""

from __future__ import annotations

from netspec.graph.graph import Graph, Node
from netspec.plan.lifetime import fed, told
from netspec.plan.storage import data_storage


def in_place_nodes(graph: Graph, backward: bool) -> frozenset[int]:
    """Indices of the layers that a plan may let work in place."""
    found: set[int] = set()
    for i, node in enumerate(graph.nodes):
        if _can(node, backward) and _unobserved(graph, i, backward, found):
            found.add(i)
    return frozenset(found)


def _can(node: Node, backward: bool) -> bool:
    """Whether the layer itself loses nothing."""
    layer = node.layer
    plain = layer.allows_in_place and not (layer.runs_code or layer.resizes)
    if not plain or len(node.bottoms) != 1 or len(node.tops) != 1 or node.in_place:
        return False
    if node.bottom_shapes != node.top_shapes:
        return False
    if not backward:
        return True
    own, shared = (layer.scratch(node.bottom_shapes, way) for way in (False, True))
    keeps_nothing = own.keys() == shared.keys()
    reads_bottom = node.needs_backward and layer.backward_reads_bottom
    passes_all = node.bottom_gradient[0] == node.needs_backward
    return keeps_nothing and passes_all and not reads_bottom


def _unobserved(graph: Graph, index: int, backward: bool, found: set[int]) -> bool:
    """Whether nobody else reads the bottom as it was."""
    node = graph.nodes[index]
    storage = data_storage(graph, found)
    made = {name for before in graph.nodes[:index] for name in before.tops}
    here = made & set(storage.members(storage[node.bottoms[0]]))
    if here & _seen_by_callers(graph, node, backward):
        return False
    others = [n for i, n in enumerate(graph.nodes) if i != index]
    readers = (n for n in others if here & set(n.bottoms) and not here & set(n.tops))
    if any(readers):
        return False
    return not backward or not any(_reads_in_backward(n, here) for n in others)


def _seen_by_callers(graph: Graph, node: Node, backward: bool) -> set[str]:
    seen = {*fed(graph), *told(graph)}
    # Whose diff a caller sets must keep it, where backward would write over it.
    kept = backward and node.needs_backward and node.tops[0] in seen
    return seen | set(node.bottoms) if kept else seen


def _reads_in_backward(node: Node, blobs: set[str]) -> bool:
    if not node.needs_backward:
        return False
    bottoms = blobs & set(node.bottoms) if node.layer.backward_reads_bottom else set()
    tops = blobs & set(node.tops) if node.layer.backward_reads_top else set()
    return bool(bottoms or tops)
