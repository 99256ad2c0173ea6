"""The plan: how a graph will be run, decided before any array exists.

An *observed* plan gives every blob memory of its own, as pycaffe users expect; a *lean*
plan lets arrays that are never alive together share memory, and fuses layers.  Both
compute the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from netspec.graph.graph import Graph
from netspec.plan.allocate import Slot, allocate, block_size
from netspec.plan.fusion import fused_relus
from netspec.plan.lifetime import Interval, array_lifetimes


@dataclass(frozen=True)
class Plan:
    """Arrays and their places.

    Attributes:
        graph: what is run.
        lean: whether memory is shared and layers fused.
        backward: whether a backward pass may follow.
        slots: byte ranges in one block, by ``(kind, name)``: see
            :func:`netspec.plan.lifetime.array_lifetimes`.
        relus: index of each ReLU that another layer computes, by that layer's index.
    """

    graph: Graph
    lean: bool
    backward: bool
    slots: dict[tuple[str, str], Slot]
    relus: dict[int, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Size of the block that holds data, diffs and scratch."""
        return block_size(self.slots.values())


def make_plan(
    graph: Graph, lean: bool = False, backward: bool = True, dtype: str = "float32"
) -> Plan:
    """Plan a graph; *dtype* is the net's float type."""
    intervals = array_lifetimes(graph, backward)
    if not lean:
        intervals = [_everlasting(interval, graph) for interval in intervals]
    slots = allocate(intervals, _ItemSizes(dtype))
    return Plan(graph, lean, backward, slots, fused_relus(graph) if lean else {})


class _ItemSizes(dict[str, int]):
    """Bytes of one element of a dtype; ``"float"`` is the net's float type."""

    def __init__(self, dtype: str) -> None:
        super().__init__(float=np.dtype(dtype).itemsize)

    def __missing__(self, dtype: str) -> int:
        return np.dtype(dtype).itemsize


def _everlasting(interval: Interval, graph: Graph) -> Interval:
    return interval.covering(0).covering(2 * len(graph.nodes))
