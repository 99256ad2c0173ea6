"""The order of a pass: forward, then backward, some layers forward again in between.

Positions in it are the *steps* that lifetimes count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from netspec.graph.graph import Graph
from netspec.layers.base import Stage

Chains = dict[int, tuple[int, ...]]  # indices of the layers that each one computes


class Kind(Enum):
    """What a step does."""

    FORWARD = "forward"
    AGAIN = "again"  # forward once more, for what backward reads
    BACKWARD = "backward"


@dataclass(frozen=True)
class Step:
    """One layer's turn, and that of the layers that it computes as well.

    Attributes:
        nodes: indices; the first is the layer that is run.  Of a backward step there
            is a second where it is run on another's top and diff than its own.
    """

    kind: Kind
    nodes: tuple[int, ...]

    @property
    def first(self) -> int:
        """Index of the layer that is run."""
        return self.nodes[0]

    @property
    def last(self) -> int:
        """Index of the layer whose tops it fills, or goes back from."""
        return self.nodes[-1]


def forward_steps(graph: Graph, chains: Chains) -> list[Step]:
    """One for every layer that no other computes."""
    inner = {i for followers in chains.values() for i in followers}
    return [
        Step(Kind.FORWARD, (i, *chains.get(i, ())))
        for i in range(len(graph.nodes))
        if i not in inner
    ]


def schedule(
    graph: Graph,
    chains: Chains,
    backward: bool,
    again: Mapping[int, tuple[Step, ...]],
) -> list[Step]:
    """All steps of a pass.

    Args:
        again: forward steps to repeat, by the layer before whose backward.
    """
    steps = forward_steps(graph, chains)
    if not backward:
        return steps
    for step in backward_steps(graph, chains):
        repeated = again.get(step.first, ())
        steps += (Step(Kind.AGAIN, other.nodes) for other in repeated)
        steps.append(step)
    return steps


def backward_steps(graph: Graph, chains: Chains) -> list[Step]:
    """The last layer first, but what a layer pools of its own before that pooling.

    What comes before a pooling in a chain is not in memory, and gradients go to the
    maxima alone: its backward is run on these, the pooling's top.  That has the same
    result, as maxima are what they were before.
    """
    ahead = {
        those[-1]: those[:-1]
        for those in chains.values()
        if _stage(graph, those[-1]) is Stage.POOL
    }
    moved = {i for those in ahead.values() for i in those}
    steps = []
    for i in reversed(range(len(graph.nodes))):
        if graph.nodes[i].needs_backward and i not in moved:
            earlier = reversed(ahead.get(i, ()))
            steps += [Step(Kind.BACKWARD, (before, i)) for before in earlier]
            steps.append(Step(Kind.BACKWARD, (i,)))
    return steps


def _stage(graph: Graph, index: int) -> Stage | None:
    node = graph.nodes[index]
    return node.layer.stage(node.bottom_shapes)
