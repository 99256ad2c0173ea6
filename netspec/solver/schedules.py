"""Learning rates: every ``lr_policy`` as a pure function of the iteration.

The iteration is counted before its update, from 0, as Caffe does.  ``plateau`` also
needs the number of drops so far, which :mod:`netspec.solver.plateau` reads off the
recorded test results.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netspec.proto import SolverParameter
from netspec.registry import Registry

Formula = Callable[[SolverParameter, int, int], float]

PAPER_DROP = 0.1  # plateau divides by 10 where the file gives no gamma


@dataclass(frozen=True)
class Policy:
    """One ``lr_policy``: its formula, and the solver fields that it must be given.

    Attributes:
        has_min: whether it reads ``min_lr``.
    """

    formula: Formula
    needs: tuple[str, ...]
    has_min: bool = False


POLICIES: Registry[Policy] = Registry("lr_policy")


def policy(
    name: str, *needs: str, has_min: bool = False
) -> Callable[[Formula], Formula]:
    """Register ``formula(solver, iteration, drops) -> rate`` under a policy's name."""

    def register(formula: Formula) -> Formula:
        POLICIES(name)(Policy(formula, needs, has_min))
        return formula

    return register


def learning_rate(solver: SolverParameter, iteration: int, drops: int = 0) -> float:
    """The rate of one iteration, before any parameter's ``lr_mult``.

    In the first ``warmup_iter`` iterations it is on the straight line from
    ``warmup_start_lr`` to ``base_lr``; then the policy's.

    Args:
        solver: checked by :func:`netspec.solver.check.check_solver`.
        iteration: from 0.
        drops: drops that plateau has made so far; other policies ignore it.

    Raises:
        SpecError: an unknown policy.
    """
    formula = POLICIES[solver.lr_policy].formula
    if iteration < solver.warmup_iter:
        start = solver.warmup_start_lr
        return start + (solver.base_lr - start) * iteration / solver.warmup_iter
    return formula(solver, iteration, drops)


@policy("fixed", "base_lr")
def _fixed(solver: SolverParameter, iteration: int, drops: int) -> float:
    return solver.base_lr


@policy("step", "base_lr", "gamma", "stepsize")
def _step(solver: SolverParameter, iteration: int, drops: int) -> float:
    return solver.base_lr * solver.gamma ** (iteration // solver.stepsize)


@policy("exp", "base_lr", "gamma")
def _exp(solver: SolverParameter, iteration: int, drops: int) -> float:
    return solver.base_lr * solver.gamma**iteration


@policy("inv", "base_lr", "gamma", "power")
def _inv(solver: SolverParameter, iteration: int, drops: int) -> float:
    return solver.base_lr * (1.0 + solver.gamma * iteration) ** -solver.power


@policy("multistep", "base_lr", "gamma", "stepvalue")
def _multistep(solver: SolverParameter, iteration: int, drops: int) -> float:
    return solver.base_lr * solver.gamma ** steps_taken(solver.stepvalue, iteration)


@policy("poly", "base_lr", "power", "max_iter", has_min=True)
def _poly(solver: SolverParameter, iteration: int, drops: int) -> float:
    rest = max(0.0, 1.0 - iteration / solver.max_iter)  # 0 beyond the end, not NaN
    return solver.min_lr + (solver.base_lr - solver.min_lr) * rest**solver.power


@policy("cosine", "base_lr", "max_iter", has_min=True)
def _cosine(solver: SolverParameter, iteration: int, drops: int) -> float:
    """Half a wave from the end of the warm-up, so that the rate does not jump there;
    Loshchilov and Hutter 2017, without restarts."""
    start = solver.warmup_iter
    done = min(1.0, (iteration - start) / max(1, solver.max_iter - start))
    share = (1 + math.cos(math.pi * done)) / 2
    return solver.min_lr + (solver.base_lr - solver.min_lr) * share


@policy("sigmoid", "base_lr", "gamma", "stepsize")
def _sigmoid(solver: SolverParameter, iteration: int, drops: int) -> float:
    slope = solver.gamma * (iteration - solver.stepsize)
    return solver.base_lr * (0.5 - 0.5 * math.tanh(-slope / 2.0))


@policy("plateau", "base_lr")
def _plateau(solver: SolverParameter, iteration: int, drops: int) -> float:
    gamma = solver.gamma if solver.HasField("gamma") else PAPER_DROP
    return solver.base_lr * gamma**drops


def steps_taken(values: Sequence[int], iteration: int) -> int:
    """Drops that multistep has made by an iteration.

    Caffe takes at most one step an iteration, and waits for the values in the order
    of the file, so equal or falling values are taken one iteration after another.
    """
    taken, earliest = 0, 0
    for value in values:
        earliest = max(value, earliest)
        if iteration < earliest:
            break
        taken, earliest = taken + 1, earliest + 1
    return taken
