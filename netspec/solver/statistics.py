"""Statistics that layers gather on the way, the same on any number of ranks.

A BatchNorm adds the statistics of each leaf to stored sums, in order of the leaves.  A
rank sees only its own, so after an iteration all ranks exchange what each leaf added
and store it anew, in order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netspec.net import Net
from netspec.shapes import count
from netspec.solver.running import Runner
from netspec.sync import Leaves, Synchronizer


class Statistics:
    """Statistics of the leaves of one iteration; nothing happens on a single rank."""

    def __init__(self, net: Net, leaves: Leaves, sync: Synchronizer) -> None:
        self._net, self._leaves, self._sync = net, leaves, sync
        segments = net.arena.segments
        self._stored = [s.slice for s in segments if not s.param.trainable]
        self._wanted = sync.size > 1 and bool(self._stored)
        self._before: list[Any] = []
        self._found: dict[int, list[Any]] = {}

    def begin(self) -> None:
        """Before an iteration."""
        if self._wanted:
            arena = self._net.arena
            self._before = [arena.data[at].copy() for at in self._stored]
            self._found = {}

    def forward(self, runner: Runner, leaf: int) -> Callable[[], float]:
        """Run a leaf forward; what is returned gives the loss."""
        if not self._wanted:
            runner.forward(self._net)
            return self._net.begin_loss()
        found: list[Any] = []
        for node, run in self._net.forward_steps:
            runner.forward_step(self._net, node, run)
            found.extend(map(self._net.ops.begin_download, node.layer.gathered(run)))
        self._found[leaf] = found
        return self._net.begin_loss()

    def exchange(self) -> None:
        """After the iteration, on all ranks: store what every leaf found, in order."""
        if not self._wanted:
            return
        rows = {leaf: _joined(found) for leaf, found in self._found.items()}
        width = len(next(iter(rows.values())))
        matrix = np.zeros((self._leaves.total, width))
        for leaf, row in rows.items():
            matrix[leaf] = row
        self._sync.reduce(matrix.reshape(-1))
        for at, values in zip(self._stored, self._before):
            self._net.arena.data[at] = values
        for row in matrix:
            self._store(row.astype(self._net.dtype))

    def _store(self, row: Any) -> None:
        start = 0
        for node, run in self._net.forward_steps:
            shapes = [value.shape for value in node.layer.gathered(run)]
            ends = np.cumsum([start, *map(count, shapes)]).tolist()
            parts = [row[a:b].reshape(s) for a, b, s in zip(ends, ends[1:], shapes)]
            if parts:
                node.layer.gather(self._net.ops, run, list(map(self._there, parts)))
            start = ends[-1]

    def _there(self, host: Any) -> Any:
        """An array of the host on the net's device."""
        array = self._net.ops.zeros(host.shape, self._net.dtype)
        self._net.ops.upload(host, array)
        return array


def _joined(found: list[Any]) -> Any:
    """What one leaf found, as one row of float64."""
    return np.concatenate([*(np.ravel(v()).astype(float) for v in found), []])
