"""Loading weights files into a net, by layer name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from netspec.errors import UsageError
from netspec.graph import Graph
from netspec.layers.fillers import fill
from netspec.net.blob import Blob
from netspec.random import Key
from netspec.weights import (
    OnMismatch,
    Report,
    plan_paper_transplant,
    plan_transplant,
    read_weights,
    target_of,
)


class Loader:
    """Writes into the parameters of one net, which lie on the device of *ops*."""

    def __init__(
        self, graph: Graph, blobs: Sequence[Blob], seed: int, ops: Any
    ) -> None:
        self._graph = graph
        self._blobs = blobs
        self._seed = seed
        self._ops = ops

    def load(
        self,
        path: str | PathLike[str],
        on_mismatch: OnMismatch = "error",
        rename: Mapping[str, str] | None = None,
        paper: bool = False,
    ) -> Report:
        """Plan, then carry out; see :func:`netspec.weights.plan_transplant`.

        With *paper*, only the layers that the VGG paper starts its deeper nets from.

        Raises:
            UsageError: *paper* with a rename or another treatment of mismatches, since
                it decides both.
        """
        if paper and (rename or on_mismatch != "error"):
            raise UsageError(
                "the paper's transplant is asked for, and a rename or a treatment of "
                "mismatches as well.",
                "It takes layers by name and refuses what does not fit: leave the "
                "others out.",
            )
        target, weights = target_of(self._graph), read_weights(path)
        if paper:
            report = plan_paper_transplant(target, weights)
        else:
            report = plan_transplant(
                target, weights, on_mismatch=on_mismatch, rename=rename
            )
        report.apply(self._write, self._reinitialise)
        return report

    def _param(self, layer: str, index: int) -> int:
        return self._graph.node(layer).params[index]

    def _write(self, layer: str, index: int, values: np.ndarray[Any, Any]) -> None:
        self._ops.upload(values, self._blobs[self._param(layer, index)].data)

    def _reinitialise(self, layer: str, index: int) -> None:
        at = self._param(layer, index)
        param = self._graph.params[at]
        with self._ops.on_host(self._blobs[at].data) as values:
            fill(param.filler, values, Key(self._seed, f"{param.key}/filler"))
