"""The facts that a run announces when it starts."""

from __future__ import annotations

from typing import Any

from netspec.proto import SolverParameter
from netspec.solver.building import Settings, Training
from netspec.solver.events import RanksReady, Started
from netspec.solver.passes import Passes
from netspec.sync import Synchronizer

_PROBE, _TRIALS = 1 << 22, 3  # elements of the start-up reduction, and how often


def started(
    solver: SolverParameter,
    training: Training,
    settings: Settings,
    passes: Passes,
    iteration: int,
    tests: int,
) -> Started:
    """The event; *tests* is the number of test nets."""
    graph = training.net.graph
    return Started(
        net=graph.name,
        iteration=iteration,
        max_iter=solver.max_iter or None,
        batch=passes.batch,
        iter_size=solver.iter_size,
        shards=training.cut.shards,
        shard_reason=training.cut.reason,
        train_size=training.feeds.size,
        seed=settings.seed,
        seed_given=solver.random_seed >= 0,
        type=solver.type,
        lr_policy=solver.lr_policy,
        parameters=graph.parameter_count,
        test_nets=tests,
        device=_described(settings.device),
        ranks=passes.leaves.size,
        rank_images=len(passes.leaves.owned) * passes.rows,
        exact=training.cut.exact,
    )


def _described(ops: Any) -> str:
    """A device with its precision, where that is another than usual."""
    precision = getattr(ops, "precision", "fp32")
    return ops.name if precision == "fp32" else f"{ops.name} in {precision.upper()}"


def ranks_ready(sync: Synchronizer, ops: Any) -> RanksReady:
    """Time a reduction on all ranks, and say who they are."""
    bucket = sync.shared and sync.shared(_PROBE, "float32")
    if bucket is None:
        bucket = ops.zeros(_PROBE, "float32")
    ops.fill(bucket, 1.0)
    seconds = []
    for _ in range(_TRIALS):
        sync.barrier()
        start = ops.mark()
        sync.reduce(bucket)
        seconds.append(ops.seconds(start, ops.mark()))
    return RanksReady(
        tuple(map(str, getattr(sync, "places", range(sync.size)))),
        getattr(sync, "library", ""),
        bucket.nbytes,
        min(seconds),
    )
