"""Labels looked at on the host, before they go to a device that runs ahead.

Whether a label is a class, and how many count, would otherwise have to be asked of the
device, and to ask is to wait for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from netspec.backends.numpy_ops import NumpyOps
from netspec.graph import Node
from netspec.layers.base import Run
from netspec.layers.loss import ReadsLabels
from netspec.net import Net
from netspec.solver.shards import label_source, losses_that_count

Reader = tuple[Node, Run, str]  # a layer that reads labels, and the top they are


class HostLabels:
    """The labels that a net's data layers give to its losses and accuracies.

    Nothing is looked at for a net whose device does not run ahead.
    """

    def __init__(self, net: Net) -> None:
        self._ops = NumpyOps()
        counting = {node.name for node in losses_that_count(net.graph)}
        steps = net.forward_steps if net.ops.runs_ahead else ()
        self._readers = [
            (node, run, source)
            for node, run in steps
            if isinstance(node.layer, ReadsLabels)
            and (source := label_source(net.graph, node))
        ]
        self._counting = [r for r in self._readers if r[0].name in counting]

    def readers(self, rows: Mapping[str, Any]) -> frozenset[str]:
        """Names of the layers whose labels are among *rows*, so that :meth:`check`
        looks at them."""
        return frozenset(n.name for n, _, source in self._readers if source in rows)

    def counts(self, rows: Mapping[str, Any]) -> dict[str, float]:
        """Labels that count in a whole batch, by name of the loss."""
        return {
            node.name: float(node.layer.valid_count(labels))  # type: ignore[attr-defined]
            for node, _, labels in _found(self._counting, rows)
        }

    def check(self, rows: Mapping[str, Any]) -> None:
        """Refuse labels that are no class; the net knows which rows these are.

        Raises:
            LabelError.
        """
        for node, run, labels in _found(self._readers, rows):
            node.layer.refuse_bad_label(self._ops, run, labels)  # type: ignore[attr-defined]


def _found(
    readers: Iterable[Reader], rows: Mapping[str, Any]
) -> Iterator[tuple[Node, Run, Any]]:
    """Layers whose labels are among *rows*, with them; they may be pictures."""
    for node, run, source in readers:
        if source in rows:
            yield node, run, np.asarray(rows[source])
