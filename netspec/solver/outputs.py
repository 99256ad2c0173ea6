"""The values of a net's outputs over several passes, shards and ranks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from netspec.graph import Graph
from netspec.layers.base import Layer
from netspec.net import Net
from netspec.shapes import count
from netspec.solver.events import Output
from netspec.sync import Synchronizer

Values = Mapping[str, Any]  # float64, by name of output


def begin_values(net: Net) -> Callable[[], Values]:
    """Ask for what the outputs hold now; what is returned waits for it and gives it."""
    begin = net.ops.begin_download
    parts = {name: begin(net.blobs[name].data) for name in net.outputs}
    return lambda: {n: np.array(part(), np.float64) for n, part in parts.items()}


class OutputSum:
    """Gathers a net's outputs, in float64.

    Args:
        by_row: outputs whose rows are averaged before they are added.
    """

    def __init__(self, graph: Graph, by_row: Collection[str] = ()) -> None:
        self._weights = loss_weights(graph)
        self._by_row = by_row
        self._judges = judges(graph)
        self._sums: dict[str, Any] = {}
        self._rows: dict[str, list[Any]] = {}

    def add(self, outputs: Values, weight: float) -> None:
        """Add outputs times *weight*, element by element.

        Rows that a layer judges are kept, as they are judged together.
        """
        for name, values in outputs.items():
            if name in self._judges:
                rows = values.reshape(-1, values.shape[-1])
                self._rows.setdefault(name, []).append(rows)
                continue
            mean = values.mean(axis=0) if name in self._by_row else values
            self._sums[name] = self._sums.get(name, 0.0) + weight * mean

    def join(self, outputs: Values) -> None:
        """Take outputs as those of one more shard of the same batch.

        Losses and accuracies are shares that add up, anything else is rows.
        """
        for name, values in outputs.items():
            if name not in self._sums:
                self._sums[name] = values
            elif values.ndim == 0:
                self._sums[name] = self._sums[name] + values
            else:
                self._sums[name] = np.concatenate([self._sums[name], values])

    def summed(self, divisor: float = 1.0) -> tuple[Output, ...]:
        """The sums over *divisor*, in the net's order; nothing before the first."""
        values = {name: total / divisor for name, total in self._sums.items()}
        for name, rows in self._rows.items():
            values[name] = self._judges[name].judge(np.concatenate(rows))
        return tuple(
            Output(name, tuple(np.ravel(values[name]).tolist()), weight)
            for name, weight in self._weights.items()
            if name in values
        )


class Packing:
    """Outputs as one row of numbers, so that ranks can exchange them by a sum.

    Each output takes its number of elements and then as many places as the net plans
    for it; a smaller batch fills fewer.
    """

    def __init__(self, graph: Graph) -> None:
        self._shapes = {name: graph.blobs[name] for name in graph.outputs}
        self.width = sum(1 + count(shape) for shape in self._shapes.values())

    def pack(self, outputs: Values, row: Any) -> None:
        """Write outputs into a row of :attr:`width` numbers."""
        start = 0
        for name, shape in self._shapes.items():
            values = outputs[name].ravel()
            row[start] = len(values)
            row[start + 1 : start + 1 + len(values)] = values
            start += 1 + count(shape)

    def unpack(self, row: Any) -> Values:
        """The outputs that a row holds."""
        found, start = {}, 0
        for name, shape in self._shapes.items():
            values = row[start + 1 : start + 1 + int(row[start])]
            # Of rows that only the data decides, the last axis alone is known.
            rest = shape[1:] if len(values) % count(shape, 1) == 0 else shape[-1:]
            found[name] = values.reshape((-1, *rest) if shape else ())
            start += 1 + count(shape)
        return found


def gather_shards(
    net: Net, own: Mapping[int, Values], shards: int, sync: Synchronizer
) -> tuple[Output, ...]:
    """The outputs of a batch from those of its shards.

    Args:
        own: outputs of this rank's shards, by number.
    """
    joined = OutputSum(net.graph)
    if sync.size == 1:
        for shard in sorted(own):
            joined.join(own[shard])
        return joined.summed()
    packing = Packing(net.graph)
    matrix = np.zeros((shards, packing.width))
    for shard, outputs in own.items():
        packing.pack(outputs, matrix[shard])
    sync.reduce(matrix.reshape(-1))
    for row in matrix:
        joined.join(packing.unpack(row))
    return joined.summed()


def judges(graph: Graph) -> dict[str, Layer]:
    """The layers whose tops a test judges, by the names of those that are outputs."""
    makers = {top: n.layer for n in graph.nodes for top in n.tops if n.layer.judges}
    return {name: makers[name] for name in graph.outputs if name in makers}


def loss_weights(graph: Graph) -> dict[str, float]:
    """The weight of each output in the loss, 0 for most."""
    given = {t: w for n in graph.nodes for t, w in zip(n.tops, n.loss_weights)}
    return {name: given.get(name, 0.0) for name in graph.outputs}
