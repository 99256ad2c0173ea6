"""Having algorithms chosen before training, once for all ranks and for good.

Where a device chooses by measuring, the choice decides the last bits of a result. So
rank 0 measures every convolution of the training and test nets before the first
iteration, and whatever is asked later is decided by its geometry alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netspec.layers.convolution import Convolution
from netspec.net import Net

_BETWEEN = ": "  # a problem and what was chosen for it, in a snapshot


def rehearse(nets: Iterable[Net]) -> None:
    """Run the convolutions of nets, on whatever their memory holds.

    Parameters, and what other layers remember, stay as they are.
    """
    for net in nets:
        for node, run in net.forward_steps:
            if isinstance(node.layer, Convolution):
                net.run_forward(node, run)
        for node, run in net.backward_steps if net.plan.backward else ():
            if isinstance(node.layer, Convolution):
                net.run_backward(node, run)
        net.ops.fill(net.arena.diff, 0.0)


def as_lines(algorithms: dict[str, str]) -> list[str]:
    """Choices by problem, as a snapshot holds them."""
    return [f"{problem}{_BETWEEN}{choice}" for problem, choice in algorithms.items()]


def of_lines(lines: Sequence[str]) -> dict[str, str]:
    """What :func:`as_lines` made lines of."""
    parts = (line.rpartition(_BETWEEN) for line in lines)
    return {problem: choice for problem, _, choice in parts}
