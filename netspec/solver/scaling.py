"""What training a net would take on more and more ranks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from netspec.errors import UsageError
from netspec.graph import Graph
from netspec.plan.scale import (
    Device,
    LayerTime,
    Link,
    Predicted,
    measured,
    predict,
    roofline,
)
from netspec.solver.shards import batch_of, choose_cut
from netspec.spec import parse_solver


@dataclass(frozen=True)
class Timed:
    """Seconds of each layer as they were measured, and for how many images."""

    layers: dict[str, tuple[float, float]]
    batch: int

    @classmethod
    def read(cls, path: str) -> Timed:
        """Read what ``netspec time --json`` wrote.

        Raises:
            UsageError: the file is something else.
        """
        try:
            value = json.loads(Path(path).read_text())
            layers = {
                str(layer["name"]): (float(layer["forward"]), float(layer["backward"]))
                for layer in value["layers"]
            }
            return cls(layers, int(value["batch"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"cannot read times from {path!r}: {error}.",
                "Write them with: netspec time --model NET --json FILE.",
            ) from None


def predictions(
    build: Callable[[int], Graph],
    whole: Graph,
    ranks: int,
    shards: int,
    device: Device,
    link: Link,
    timed: Timed | None = None,
) -> list[Predicted]:
    """Predictions for 1, 2, 4 ... ranks and for *ranks*, as far as the batch goes.

    Args:
        build: makes the graph for a batch.
        whole: the graph for the global batch.
        shards: as in the solver; 0: its default.
        timed: measured times, instead of the device's figures.
    """
    counts = sorted({*(1 << i for i in range(ranks.bit_length())), ranks})
    batch, found = batch_of(whole), []
    cut = choose_cut(whole, parse_solver(f'net: "n" shards: {shards}', "--shards"))
    for count in counts:
        if count > batch:
            break
        parts = max(cut.shards, count)
        rows, leaves = -(-batch // parts), -(-parts // count)
        layers = _layers(build(rows), rows, device, timed)
        found.append(predict(layers, leaves, leaves * rows, count, device, link))
    return found


def _layers(
    graph: Graph, rows: int, device: Device, timed: Timed | None
) -> list[LayerTime]:
    if timed:
        return measured(graph, timed.layers, rows / timed.batch)
    return roofline(graph, device)
