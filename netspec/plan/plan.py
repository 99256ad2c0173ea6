"""The plan: how a graph will be run, decided before any array exists.

An *observed* plan gives every blob memory of its own, as pycaffe users expect; a *lean*
plan lets arrays that are never alive together share memory, works in place and fuses
layers.  Both compute the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from netspec.graph.graph import Graph
from netspec.plan.allocate import Slot, allocate, block_size
from netspec.plan.cutting import cut_choices
from netspec.plan.fusion import Fusing
from netspec.plan.joining import Joining
from netspec.plan.lifetime import Memory, array_lifetimes
from netspec.plan.recompute import Again, repeats
from netspec.plan.schedule import Chains, Kind, Step, forward_steps, schedule
from netspec.plan.sharing import in_place_nodes, sums_in_place
from netspec.plan.storage import data_storage, diff_storage


@dataclass(frozen=True)
class Plan:
    """Arrays and their places, and the order of the layers.

    Attributes:
        memory: which blobs share memory, and which layers work in place.
        lean: whether memory is shared and layers are fused.
        dtype: the net's float type.
        slots: byte ranges in one block, by ``(kind, name)``: see
            :func:`netspec.plan.lifetime.array_lifetimes`.
        steps: the whole pass.
        chains: indices of the layers that another computes, by that layer's index.
        again: forward steps to repeat, by the node before whose backward.
    """

    memory: Memory
    lean: bool
    dtype: str
    slots: dict[tuple[str, str], Slot]
    steps: Sequence[Step]
    chains: Chains = field(default_factory=dict)
    again: Again = field(default_factory=dict)

    @property
    def graph(self) -> Graph:
        """What is run."""
        return self.memory.graph

    @property
    def backward(self) -> bool:
        """Whether a backward pass may follow a forward one."""
        return self.memory.backward

    @property
    def ahead(self) -> dict[int, int]:
        """By layer whose backward is run on another's top: the index of that one."""
        return {
            step.first: step.last
            for step in self.steps
            if step.kind is Kind.BACKWARD and step.last != step.first
        }

    @property
    def bytes(self) -> int:
        """Size of the block that holds data, diffs and scratch."""
        return block_size(self.slots.values())


def make_plan(
    graph: Graph,
    lean: bool = False,
    backward: bool = True,
    dtype: str = "float32",
    ops: Any = None,
    recompute: bool = False,
) -> Plan:
    """Plan a graph.

    Args:
        backward: whether a backward pass may follow a forward one.
        dtype: the net's float type.
        ops: the backend, which is asked what it can fuse; None: as little as any can.
        recompute: drop what forward computes and compute it again for backward, in the
            way that takes the least memory; only for a lean plan.
    """
    in_place = in_place_nodes(graph, backward) if lean else frozenset[int]()
    data, diff = data_storage(graph, in_place), diff_storage(graph, in_place)
    memory = Memory(graph, backward, data, diff, in_place)
    chains = Fusing(graph, backward, data, ops, dtype).chains() if lean else {}
    if lean and not backward:
        over = sums_in_place(graph, in_place, chains)
        data = data_storage(graph, in_place, over)
        parts = Joining(graph, data, chains, ops, dtype).parts()
        data = data_storage(graph, in_place, over, parts)
        memory = replace(memory, data=data, parts=parts)
    plan = _lay_out(Plan(memory, lean, dtype, {}, (), chains))
    if not (recompute and backward):
        return plan
    forward = forward_steps(graph, chains)
    choices = (repeats(memory, forward, c) for c in cut_choices(memory, forward))
    plans = (_lay_out(replace(plan, again=again)) for again in choices)
    return min([plan, *plans], key=lambda p: p.bytes)


def _lay_out(plan: Plan) -> Plan:
    """The same with its steps and memory decided."""
    steps = schedule(plan.graph, plan.chains, plan.backward, plan.again)
    intervals = array_lifetimes(plan.memory, steps)
    if not plan.lean:
        intervals = [interval.throughout(len(steps)) for interval in intervals]
    slots = allocate(intervals, _ItemSizes(plan.dtype))
    return replace(plan, steps=tuple(steps), slots=slots)


class _ItemSizes(dict[str, int]):
    """Bytes of one element of a dtype; ``"float"`` is the net's float type."""

    def __init__(self, dtype: str) -> None:
        super().__init__(float=np.dtype(dtype).itemsize)

    def __missing__(self, dtype: str) -> int:
        return np.dtype(dtype).itemsize
