"""The values of a net's outputs over several passes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from netspec.graph import Graph
from netspec.net import Net
from netspec.solver.events import Output


class OutputSum:
    """Gathers a net's outputs, in float64.

    Args:
        by_row: outputs whose rows are averaged before they are added.
    """

    def __init__(self, net: Net, by_row: Collection[str] = ()) -> None:
        self._weights = loss_weights(net.graph)
        self._by_row = by_row
        self._sums: dict[str, Any] = {}

    def add(self, net: Net, weight: float) -> None:
        """Add what the outputs of *net* hold now times *weight*, element by element."""
        for name, values in _values(net):
            mean = values.mean(axis=0) if name in self._by_row else values
            self._sums[name] = self._sums.get(name, 0.0) + weight * mean

    def join(self, net: Net) -> None:
        """Take the outputs of *net* as those of one more shard of the same batch.

        Losses and accuracies are shares that add up, anything else is rows.
        """
        for name, values in _values(net):
            if name not in self._sums:
                self._sums[name] = values
            elif values.ndim == 0:
                self._sums[name] = self._sums[name] + values
            else:
                self._sums[name] = np.concatenate([self._sums[name], values])

    def summed(self, divisor: float = 1.0) -> tuple[Output, ...]:
        """The sums over *divisor*, in the net's order; nothing before the first."""
        return tuple(
            Output(name, tuple(np.ravel(values / divisor).tolist()), weight)
            for name, weight in self._weights.items()
            if (values := self._sums.get(name)) is not None
        )


def _values(net: Net) -> Iterator[tuple[str, Any]]:
    for name in net.outputs:
        yield name, np.array(net.blobs[name].data, np.float64)


def loss_weights(graph: Graph) -> dict[str, float]:
    """The weight of each output in the loss, 0 for most."""
    given = {t: w for n in graph.nodes for t, w in zip(n.tops, n.loss_weights)}
    return {name: given.get(name, 0.0) for name in graph.outputs}
