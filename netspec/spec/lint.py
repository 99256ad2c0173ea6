"""What is legal in a net or solver and still probably not meant.

A lint is never an error: Caffe takes all of this without a word. Each check looks for
one habit that cost people days; the rest is left alone, so that what is printed is
worth reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from netspec.errors import Place
from netspec.proto import TEST, TRAIN, NetParameter, SolverParameter
from netspec.spec import lint_data, lint_flow, lint_layers, lint_solvers
from netspec.spec.locate import Located
from netspec.spec.view import Finding, View

_NAMED = 3  # layers that one lint names before it counts the rest

Check = Callable[[View], Iterator[Finding]]
_PHASE_CHECKS: tuple[Check, ...] = (
    lint_flow.unread_tops,
    lint_flow.no_loss,
    lint_flow.probabilities_into_loss,
    lint_flow.batch_norm_without_scale,
    lint_flow.frozen_but_decaying,
    lint_layers.global_statistics,
    lint_layers.repeated_names,
    lint_layers.zero_weights,
    lint_data.random_in_test,
)
_FIELD_CHECKS: tuple[Check, ...] = (
    lint_layers.other_types_settings,
    lint_layers.learned_statistics,
    lint_layers.idle_fillers,
    lint_data.misplaced_transforms,
)


@dataclass(frozen=True, order=True)
class Lint:
    """One warning, with the place it is about."""

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def lint_net(
    net: Located[NetParameter],
    solver: Located[SolverParameter] | None = None,
    records: int | None = None,
) -> list[Lint]:
    """What looks unintended in a net, in the order of the file.

    Args:
        net: upgraded, not filtered: both phases are looked at.
        solver: the solver that trains it, where there is one.
        records: how many records its test data has, where that is known.

    Raises:
        SpecError: a layer has both include and exclude rules.
    """
    views = [View.of(net, phase) for phase in (TRAIN, TEST)]
    found = [f for check in _FIELD_CHECKS for f in check(View.unfiltered(net))]
    found += [f for view in views for check in _PHASE_CHECKS for f in check(view)]
    found += lint_data.unlike_phases(*views)
    lints = _grouped(found)
    if solver is not None:
        lints += _grouped(lint_solvers.test_passes(solver, views[1], records))
    return sorted(lints)


def lint_solver(solver: Located[SolverParameter]) -> list[Lint]:
    """What looks unintended in a solver by itself, in the order of the file."""
    found = (f for check in lint_solvers.CHECKS for f in check(solver))
    return sorted(_grouped(found))


def _grouped(findings: Iterable[Finding]) -> list[Lint]:
    """One lint for each text, at its first place, naming the layers it is about."""
    by_text: dict[str, dict[Place, str]] = {}
    for finding in findings:
        by_text.setdefault(finding.text, {}).setdefault(finding.place, finding.layer)
    return [
        Lint(min(places), _subject(places) + text) for text, places in by_text.items()
    ]


def _subject(places: dict[Place, str]) -> str:
    names = [repr(places[place]) for place in sorted(places) if places[place]]
    if not names:
        return ""
    if len(names) == 1:
        return f"layer {names[0]}: "
    if len(names) > _NAMED:
        rest = len(names) - _NAMED + 1
        names[_NAMED - 1 :] = [f"{rest} more"]
    return f"layers {', '.join(names[:-1])} and {names[-1]}: "
