"""Solver types: each an update rule over the parameter arena.

Caffe's order: gradients of all passes are summed; clipping acts on that sum; it is
divided by iter_size; weight decay is added; then the rule makes its step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from netspec.backends.reference.update import Steps
from netspec.plan.arena import Segment
from netspec.proto import SolverParameter
from netspec.registry import Registry

Array = Any

REGULARIZATIONS = ("L2", "L1")


class Arena(Protocol):
    """What an update needs of a net's parameters: 1-D arrays of one length, and where
    each parameter lies in them, with its multipliers."""

    data: Array
    diff: Array

    @property
    def segments(self) -> Sequence[Segment]:
        """The parameters."""


Apply = Callable[[Any, tuple[Array, ...], Steps, SolverParameter], None]


@dataclass(frozen=True)
class Rule:
    """One solver type.

    Attributes:
        histories: arrays that it keeps for each parameter; in a solverstate, all
            parameters' first arrays come before their second.
        apply: ``apply(ops, (w, gradient, *histories), steps, solver)``.
        correction: factor on the rate that depends on the iteration.
    """

    histories: int
    apply: Apply
    correction: Callable[[SolverParameter, int], float]


RULES: Registry[Rule] = Registry("solver type")


def rule(
    name: str,
    histories: int = 1,
    correction: Callable[[SolverParameter, int], float] = lambda solver, iteration: 1.0,
) -> Callable[[Apply], Apply]:
    """Register a rule under its ``type``."""

    def register(apply: Apply) -> Apply:
        RULES(name)(Rule(histories, apply, correction))
        return apply

    return register


def update(
    ops: Any,
    arena: Arena,
    histories: Sequence[Array],
    solver: SolverParameter,
    iteration: int,
    rate: float,
) -> None:
    """Step every parameter; *arena.diff* holds the sum over iter_size passes.

    Args:
        iteration: from 0.
        rate: the learning rate, before lr_mult.
    """
    kind = RULES[solver.type]
    rate = rate * kind.correction(solver, iteration)
    steps = make_steps(arena, solver, rate, gradient_scale(ops, arena, solver))
    kind.apply(ops, (arena.data, arena.diff, *histories), steps, solver)


def gradient_scale(ops: Any, arena: Arena, solver: SolverParameter) -> float:
    """The factor of clipping and of the mean over iter_size."""
    scale = 1.0 / solver.iter_size
    if solver.clip_gradients < 0:
        return scale
    squares = sum(ops.sum_squares(arena.diff[s.slice]) for s in arena.segments)
    norm = math.sqrt(squares)
    if norm > solver.clip_gradients:
        scale *= solver.clip_gradients / norm
    return scale


def make_steps(
    arena: Arena, solver: SolverParameter, rate: float, scale: float
) -> Steps:
    """The arena's segments with their own rates and decays."""
    segments = arena.segments
    decay = solver.weight_decay * np.array([s.decay_mult for s in segments], float)
    none = np.zeros(len(segments))
    is_l2 = solver.regularization_type == "L2"
    return Steps(
        start=np.array([s.slice.start for s in segments], np.int64),
        stop=np.array([s.slice.stop for s in segments], np.int64),
        rate=rate * np.array([s.lr_mult for s in segments], float),
        l2=decay if is_l2 else none,
        l1=none if is_l2 else decay,
        scale=scale,
    )


@rule("SGD")
def _sgd(ops, arrays, steps, solver):  # type: ignore[no-untyped-def]
    ops.sgd_update(*arrays, steps, solver.momentum)


@rule("Nesterov")
def _nesterov(ops, arrays, steps, solver):  # type: ignore[no-untyped-def]
    ops.nesterov_update(*arrays, steps, solver.momentum)


@rule("AdaGrad")
def _adagrad(ops, arrays, steps, solver):  # type: ignore[no-untyped-def]
    ops.adagrad_update(*arrays, steps, solver.delta)


@rule("RMSProp")
def _rmsprop(ops, arrays, steps, solver):  # type: ignore[no-untyped-def]
    ops.rmsprop_update(*arrays, steps, solver.rms_decay, solver.delta)


@rule("AdaDelta", histories=2)
def _adadelta(ops, arrays, steps, solver):  # type: ignore[no-untyped-def]
    ops.adadelta_update(*arrays, steps, solver.momentum, solver.delta)


def _unbias(solver: SolverParameter, iteration: int) -> float:
    """Adam's correction of means that started from 0."""
    t = iteration + 1
    return math.sqrt(1 - solver.momentum2**t) / (1 - solver.momentum**t)


@rule("Adam", histories=2, correction=_unbias)
def _adam(ops, arrays, steps, solver):  # type: ignore[no-untyped-def]
    ops.adam_update(*arrays, steps, solver.momentum, solver.momentum2, solver.delta)
