"""The facts that a run announces when it starts."""

from __future__ import annotations

from netspec.proto import SolverParameter
from netspec.solver.building import Settings, Training
from netspec.solver.events import Started
from netspec.solver.passes import Passes


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
        device=settings.device,
    )
