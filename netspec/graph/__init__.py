"""Layers, shapes and parameters of a net, before any array exists."""

from netspec.graph.build import PHASES, Feeding, build_graph
from netspec.graph.cost import LayerCost, layer_costs
from netspec.graph.graph import Graph, Node, Param

__all__ = [
    "PHASES",
    "Feeding",
    "Graph",
    "LayerCost",
    "Node",
    "Param",
    "build_graph",
    "layer_costs",
]
