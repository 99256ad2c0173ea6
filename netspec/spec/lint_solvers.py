"""Lints about a solver."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from netspec.proto import SolverParameter
from netspec.spec.lint_data import batch_size
from netspec.spec.locate import Located
from netspec.spec.view import Finding, View

Solver = Located[SolverParameter]
_PLATEAU = {
    "plateau_metric",
    "plateau_patience",
    "plateau_min_delta",
    "plateau_drops",
    "plateau_mode",
}
_POLICY_FIELDS = {"gamma", "power", "stepsize", "stepvalue"} | _PLATEAU
_READ_BY_POLICY = {
    "fixed": set(),
    "step": {"gamma", "stepsize"},
    "exp": {"gamma"},
    "inv": {"gamma", "power"},
    "multistep": {"gamma", "stepvalue"},
    "poly": {"power"},
    "sigmoid": {"gamma", "stepsize"},
    "plateau": {"gamma"} | _PLATEAU,
    "cosine": set(),
}
# Constants of the update, and the solver types that read them.
_READ_BY_TYPE = {
    "delta": {"AdaGrad", "RMSProp", "AdaDelta", "Adam", "AdamW"},
    "momentum2": {"Adam", "AdamW"},
    "rms_decay": {"RMSProp"},
}


def _finding(solver: Solver, text: str, field: str, index: int = 0) -> Finding:
    return Finding(text, solver.place(field, index))


def ignored_by_policy(solver: Solver) -> Iterator[Finding]:
    """Fields of another learning rate policy."""
    policy = solver.message.lr_policy
    if policy not in _READ_BY_POLICY:
        return
    for field, _ in solver.message.ListFields():
        if field.name in _POLICY_FIELDS - _READ_BY_POLICY[policy]:
            text = f"lr_policy {policy!r} ignores {field.name}."
            yield _finding(solver, text, field.name)


def missing_for_policy(solver: Solver) -> Iterator[Finding]:
    """Fields without which a policy stands still or falls to 0."""
    given = {field.name for field, _ in solver.message.ListFields()}
    policy = solver.message.lr_policy
    for name in sorted(_READ_BY_POLICY.get(policy, set()) - _PLATEAU - given):
        text = f"lr_policy {policy!r} needs {name}, which is not given."
        yield _finding(solver, text, "lr_policy")
    if "base_lr" not in given:
        yield _finding(solver, "base_lr is not given, so the rate is 0.", "base_lr")


def ignored_by_type(solver: Solver) -> Iterator[Finding]:
    """Constants of another kind of solver."""
    kind = solver.message.type
    for field, kinds in _READ_BY_TYPE.items():
        if solver.message.HasField(field) and kind not in kinds:
            yield _finding(solver, f"a solver of type {kind} ignores {field}.", field)


def steps_beyond_the_end(solver: Solver) -> Iterator[Finding]:
    """Drops of the rate that training does not live to see."""
    message = solver.message
    if message.lr_policy == "step":
        steps, field = [message.stepsize], "stepsize"
    elif message.lr_policy == "multistep":
        steps, field = list(message.stepvalue), "stepvalue"
    else:
        return
    for i, step in enumerate(steps):
        if step >= message.max_iter > 0:
            text = f"{field} {step} is never reached: max_iter is {message.max_iter}."
            yield _finding(solver, text, field, i)


def never_tests(solver: Solver) -> Iterator[Finding]:
    """Test nets that are never run."""
    message = solver.message
    if message.test_iter and not message.test_interval:
        text = "test_iter is given, but test_interval is not: nothing is tested."
        yield _finding(solver, text, "test_iter")
    needs = message.lr_policy == "plateau" or message.snapshot_best
    if needs and not message.test_interval:
        field = "lr_policy" if message.lr_policy == "plateau" else "snapshot_best"
        text = f"{field} goes by the tests, and test_interval is not given."
        yield _finding(solver, text, field)


def test_passes(solver: Solver, test: View, records: int | None) -> Iterator[Finding]:
    """test_iter batches that are not one pass over the test data."""
    batch, iterations = batch_size(test), list(solver.message.test_iter)[:1]
    if not records or not batch or not iterations:
        return
    seen = iterations[0] * batch
    if seen != records:
        whole, rest = divmod(records, batch)
        exact = f"; test_iter: {whole} is one pass" if not rest else ""
        yield _finding(
            solver,
            f"test_iter {iterations[0]} x batch {batch} is {seen:,} images, the test "
            f"data has {records:,}{exact}.",
            "test_iter",
        )


CHECKS: tuple[Callable[[Solver], Iterator[Finding]], ...] = (
    ignored_by_policy,
    missing_for_policy,
    ignored_by_type,
    steps_beyond_the_end,
    never_tests,
)
