"""How a graph is run: memory, lifetimes, fusion, and the layout of parameters."""

from netspec.plan.arena import Layout, Segment, graph_layout
from netspec.plan.plan import Plan, make_plan

__all__ = ["Layout", "Plan", "Segment", "graph_layout", "make_plan"]
