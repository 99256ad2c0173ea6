"""Momentum and weight decay that change while a net trains: NVIDIA's policies.

Source: ``sgd_solver.cpp`` of NVIDIA's fork, 0.17.  Iterations count from 0.
"""

from __future__ import annotations

import math

from google.protobuf.descriptor import FieldDescriptor

from netspec.proto import SolverParameter

MOMENTUM_POLICIES = ("fixed", "poly", "opt")
DECAY_POLICIES = ("fixed", "poly")


def varies(solver: SolverParameter) -> bool:
    """Whether momentum or weight decay are other than the file's at some iteration."""
    policies = solver.momentum_policy, solver.weight_decay_policy
    return policies != ("fixed", "fixed")


def momentum(solver: SolverParameter, iteration: int, rate: float) -> float:
    """The momentum of one iteration, whose learning rate is *rate*."""
    if solver.momentum_policy == "poly":
        done = _done(solver, iteration) ** solver.momentum_power
        return solver.momentum + (solver.max_momentum - solver.momentum) * done
    if solver.momentum_policy == "opt":
        best = (1 - 0.5 * math.sqrt(rate)) ** 2
        given = solver.HasField("max_momentum")
        return min(solver.max_momentum, best) if given else best
    return solver.momentum


def weight_decay(solver: SolverParameter, iteration: int) -> float:
    """The weight decay of one iteration, before any parameter's ``decay_mult``."""
    if solver.weight_decay_policy == "poly":
        done = _done(solver, iteration) ** solver.weight_decay_power
        most = solver.max_weight_decay
        return solver.weight_decay + (most - solver.weight_decay) * done
    return solver.weight_decay


def _done(solver: SolverParameter, iteration: int) -> float:
    """The share of training that is over."""
    return min(1.0, iteration / solver.max_iter)


def settings_at(
    solver: SolverParameter, iteration: int, rate: float
) -> SolverParameter:
    """The solver's numbers and words with the momentum and decay of one iteration.

    Nets and lists, which no update reads, are left out.
    """
    if not varies(solver):
        return solver
    found = SolverParameter()
    for field, value in solver.ListFields():
        single = field.has_presence and field.type != FieldDescriptor.TYPE_MESSAGE
        if single:
            setattr(found, field.name, value)
    found.momentum = momentum(solver, iteration, rate)
    found.weight_decay = weight_decay(solver, iteration)
    return found
