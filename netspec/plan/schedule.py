"""The order of a pass: forward, then backward, some layers forward again in between.

Positions in it are the *steps* that lifetimes count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from netspec.graph.graph import Graph
from netspec.plan.fusion import Chains


class Kind(Enum):
    """What a step does."""

    FORWARD = "forward"
    AGAIN = "again"  # forward once more, for what backward reads
    BACKWARD = "backward"


@dataclass(frozen=True)
class Step:
    """One layer's turn, and that of the layers that it computes as well.

    Attributes:
        nodes: indices; the first is the layer that is run.
    """

    kind: Kind
    nodes: tuple[int, ...]

    @property
    def first(self) -> int:
        """Index of the layer that is run."""
        return self.nodes[0]

    @property
    def last(self) -> int:
        """Index of the layer whose tops it fills."""
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
    for i in reversed(range(len(graph.nodes))):
        if graph.nodes[i].needs_backward:
            steps += (Step(Kind.AGAIN, step.nodes) for step in again.get(i, ()))
            steps.append(Step(Kind.BACKWARD, (i,)))
    return steps
