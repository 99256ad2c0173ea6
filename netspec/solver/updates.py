"""Solver types: each an update rule over the parameter arena.

Caffe's order: gradients of all passes are summed; clipping acts on that sum; it is
divided by iter_size; weight decay is added; then the rule makes its step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from netspec.backends.reference.update import Steps
from netspec.plan.arena import Segment
from netspec.proto import SolverParameter
from netspec.registry import Registry
from netspec.solver.varying import settings_at

Array = Any

REGULARIZATIONS = ("L2", "L1")
LARC_POLICIES = ("scale", "clip")


class Arena(Protocol):
    """What an update needs of a net's parameters: 1-D arrays of one length, and where
    each parameter lies in them, with its multipliers."""

    data: Array
    diff: Array

    @property
    def segments(self) -> Sequence[Segment]:
        """The parameters."""


Apply = Callable[[Any, tuple[Array, ...], Steps, SolverParameter], None]
Adapt = Callable[[Any, Arena, Steps, SolverParameter], Steps]


@dataclass(frozen=True)
class Rule:
    """One solver type.

    Attributes:
        histories: arrays that it keeps for each parameter; in a solverstate, all
            parameters' first arrays come before their second.
        apply: ``apply(ops, (w, gradient, *histories), steps, solver)``.
        correction: factor on the rate that depends on the iteration.
        decoupled: weight decay is no part of the gradient: ``Steps.l2`` and ``l1`` are
            what a step takes off the weights, decay times rate.
        adapt: ``adapt(ops, arena, steps, solver)``: the steps with rates that follow
            from whole parameters and their gradients, or None.
    """

    histories: int
    apply: Apply
    correction: Callable[[SolverParameter, int], float]
    decoupled: bool = False
    adapt: Adapt | None = None


RULES: Registry[Rule] = Registry("solver type")


def rule(
    name: str,
    histories: int = 1,
    correction: Callable[[SolverParameter, int], float] = lambda solver, iteration: 1.0,
    decoupled: bool = False,
    adapt: Adapt | None = None,
) -> Callable[[Apply], Apply]:
    """Register a rule under its ``type``."""

    def register(apply: Apply) -> Apply:
        RULES(name)(Rule(histories, apply, correction, decoupled, adapt))
        return apply

    return register


class Update:
    """One step of the parameters; *arena.diff* holds the sum over iter_size passes.

    Args:
        iteration: from 0.
        rate: the learning rate, before lr_mult.
        loss_scale: what the gradient is too large by.
    """

    def __init__(
        self,
        ops: Any,
        arena: Arena,
        histories: Sequence[Array],
        solver: SolverParameter,
        iteration: int,
        rate: float,
        loss_scale: float = 1.0,
    ) -> None:
        self._loss_scale = loss_scale
        self._ops, self._arena = ops, arena
        self._solver = settings_at(solver, iteration, rate)
        self._histories = histories
        self._kind = RULES[solver.type]
        self._rate, self._iteration = rate, iteration

    def whole(self) -> None:
        """Step every parameter."""
        unit = 1.0 / self._loss_scale
        scale = gradient_scale(self._ops, self._arena, self._solver, unit)
        steps = self._steps(scale)
        adapt = _adapt(self._solver)
        if adapt:
            steps = adapt(self._ops, self._arena, steps, self._solver)
        self._apply(steps)

    def part(self, part: slice) -> None:
        """Step a stretch of the arena, unless :func:`needs_whole`."""
        self._apply(_inside(self._unclipped, part))

    @cached_property
    def _unclipped(self) -> Steps:
        return self._steps(1.0 / (self._solver.iter_size * self._loss_scale))

    def _steps(self, scale: float) -> Steps:
        rate = self._rate * self._kind.correction(self._solver, self._iteration)
        steps = make_steps(self._arena, self._solver, rate, scale)
        if self._kind.decoupled:
            rates = make_steps(self._arena, self._solver, self._rate, scale).rate
            steps = replace(steps, l2=steps.l2 * rates, l1=steps.l1 * rates)
        return steps

    def _apply(self, steps: Steps) -> None:
        arrays = (self._arena.data, self._arena.diff, *self._histories)
        self._kind.apply(self._ops, arrays, steps, self._solver)


def _inside(steps: Steps, part: slice) -> Steps:
    """What of some steps lies in a stretch."""
    start = np.maximum(steps.start, part.start)
    stop = np.minimum(steps.stop, part.stop)
    in_part = start < stop
    return replace(
        steps,
        start=start[in_part],
        stop=stop[in_part],
        rate=steps.rate[in_part],
        l2=steps.l2[in_part],
        l1=steps.l1[in_part],
    )


def clips(solver: SolverParameter) -> bool:
    """Whether a step depends on the norm of the whole gradient."""
    return solver.clip_gradients >= 0


def needs_whole(solver: SolverParameter) -> bool:
    """Whether a stretch cannot be stepped before all gradients are there."""
    return clips(solver) or _adapt(solver) is not None


def _adapt(solver: SolverParameter) -> Adapt | None:
    """What gives each parameter a rate of its own, if anything does."""
    return _larc if solver.larc else RULES[solver.type].adapt


def gradient_scale(
    ops: Any, arena: Arena, solver: SolverParameter, unit: float = 1.0
) -> float:
    """The factor of clipping, of the mean over iter_size, and *unit*, which makes of
    the arena's numbers the gradient."""
    scale = unit / solver.iter_size
    if not clips(solver):
        return scale
    norm = unit * math.sqrt(_sum_squares(ops, arena))
    if norm > solver.clip_gradients:
        scale *= solver.clip_gradients / norm
    return scale


def _sum_squares(ops: Any, arena: Arena) -> float:
    """Of all gradients; a device that runs ahead is waited for once."""
    if ops.runs_ahead:
        return float(ops.sum_squares(arena.diff))  # what lies between them is 0
    return float(sum(ops.sum_squares(arena.diff[s.slice]) for s in arena.segments))


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


@rule("AdamW", histories=2, correction=_unbias, decoupled=True)
def _adamw(ops, arrays, steps, solver):  # type: ignore[no-untyped-def]
    ops.adamw_update(*arrays, steps, solver.momentum, solver.momentum2, solver.delta)


def _trust(ops: Any, arena: Arena, steps: Steps, solver: SolverParameter) -> Steps:
    """You, Gitman and Ginsburg 2017: steps in proportion to each parameter's norm."""
    factors = np.ones(len(steps.rate))
    for i, (at, _, decay, _) in enumerate(steps):
        weight = math.sqrt(ops.sum_squares(arena.data[at]))
        slope = steps.scale * math.sqrt(ops.sum_squares(arena.diff[at]))
        if weight and slope:
            factors[i] = solver.local_gw_ratio * weight / (slope + decay * weight)
    return replace(steps, rate=steps.rate * factors)


def _larc(ops: Any, arena: Arena, steps: Steps, solver: SolverParameter) -> Steps:
    """NVIDIA's layer-wise adaptive rate control: see ``larc`` of the schema."""
    rates = steps.rate.copy()
    for i, segment in enumerate(arena.segments):
        at = segment.slice
        weight = math.sqrt(ops.sum_squares(arena.data[at]))
        slope = steps.scale * math.sqrt(ops.sum_squares(arena.diff[at]))
        own = 1.0
        if weight and slope:
            own = (1 - solver.momentum) * solver.larc_eta * weight / slope
        rate = steps.rate[i] / segment.lr_mult if segment.lr_mult else 0.0
        rates[i] = rate * own if solver.larc_policy == "scale" else min(rate, own)
    return replace(steps, rate=rates)


@rule("LARS", adapt=_trust)
def _lars(ops, arrays, steps, solver):  # type: ignore[no-untyped-def]
    ops.sgd_update(*arrays, steps, solver.momentum)
