"""Everything that can be said of a net or solver file before anything is run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from netspec.data.feeds import Feeds, data_layers, known_shapes, source_of
from netspec.errors import NetspecError, OpenShapeError
from netspec.graph import PHASES, Feeding, Graph, build_graph
from netspec.graph.build import check_structure
from netspec.layers.user_code import UserCode
from netspec.proto import NetParameter, SolverParameter
from netspec.solver.check import check_solver
from netspec.solver.nets import test_specs, train_spec
from netspec.spec import Located, filter_net
from netspec.spec.kind import read_spec
from netspec.spec.lint import Lint, lint_net, lint_solver


@dataclass
class Findings:
    """What is wrong, what looks wrong, and what was done.

    Attributes:
        errors: faults; a file with one cannot be used.
        lints: what looks like a mistake.
        notes: what was checked, upgraded, or could not be checked.
    """

    file: str
    errors: list[NetspecError] = field(default_factory=list)
    lints: list[Lint] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class State:
    """The states in which a net is looked at."""

    phases: Sequence[str] = ("train", "test")
    level: int = 0
    stages: tuple[str, ...] = ()
    allow_python: bool = False


def inspect_file(
    path: str | os.PathLike[str], state: State, lenient: bool = False
) -> Findings:
    """Check a net in every phase of *state*, or a solver with the nets it names."""
    found = Findings(str(path))
    try:
        spec = read_spec(path, lenient=lenient)
        found.notes.extend(f"upgraded {change}" for change in spec.upgraded)
        if isinstance(spec.message, SolverParameter):
            _inspect_solver(spec, state, found)
        else:
            _inspect_net(spec, state, found)
    except NetspecError as error:
        found.errors.append(error)
    return found


def _inspect_solver(
    solver: Located[SolverParameter], asked: State, found: Findings
) -> None:
    check_solver(solver)
    found.lints.extend(lint_solver(solver))
    for phase, specs in (("train", [train_spec(solver)]), ("test", test_specs(solver))):
        for spec in specs:
            state = State((phase,), spec.level, spec.stages, asked.allow_python)
            _inspect_net(spec.net, state, found, solver)


def _inspect_net(
    net: Located[NetParameter],
    state: State,
    found: Findings,
    solver: Located[SolverParameter] | None = None,
) -> None:
    for phase in _fed(net, state, found):
        for stages in [state.stages] if state.stages else _stages(net, phase):
            try:
                _build(net, phase, replace(state, stages=stages), found)
            except NetspecError as error:
                if str(error) not in map(str, found.errors):
                    found.errors.append(error)
    if not found.errors:
        lints = lint_net(net, solver, _test_records(net, state))
        found.lints.extend(lint for lint in lints if lint not in found.lints)


def _fed(net: Located[NetParameter], state: State, found: Findings) -> Sequence[str]:
    """The phases to look at: of several, those in which something feeds the net."""
    fed = [phase for phase in state.phases if _is_fed(net, phase, state)]
    if not fed or len(fed) == len(state.phases):
        return state.phases
    left_out = ", ".join(phase for phase in state.phases if phase not in fed)
    found.notes.append(f"{left_out}: nothing feeds the net in this phase")
    return fed


def _is_fed(net: Located[NetParameter], phase: str, state: State) -> bool:
    """Whether the net has a layer without bottoms, or none at all."""
    part = filter_net(net, PHASES[phase], state.level, state.stages).message
    return not part.layer or any(not layer.bottom for layer in part.layer)


def _test_records(net: Located[NetParameter], state: State) -> int | None:
    """How many records the test data has, where it is at hand."""
    part = filter_net(net, PHASES["test"], state.level, state.stages)
    if any(_absent(part)):
        return None
    return Feeds(part, seed=0).size


def _stages(net: Located[NetParameter], phase: str) -> list[tuple[str, ...]]:
    """The stages that a file is written for in a phase: those its include rules name,
    one after the other, and none where it names none, or some that must not be."""
    rules = [
        rule
        for layer in net.message.layer
        for rule in layer.include
        if not rule.HasField("phase") or rule.phase == PHASES[phase]
    ]
    told = (tuple(rule.stage) for rule in rules if rule.stage or rule.not_stage)
    return list(dict.fromkeys(told)) or [()]


def _build(
    net: Located[NetParameter], phase: str, state: State, found: Findings
) -> None:
    where = (PHASES[phase], state.level, state.stages)
    part = filter_net(net, *where)
    if not part.message.layer:
        return
    check_structure(net, *where)
    code = UserCode() if state.allow_python else None
    try:
        graph = build_graph(net, *where, Feeding(sources=known_shapes(part)), code)
    except OpenShapeError:
        found.notes.append(
            f"{_state_name(phase, state)}: shapes are not checked, for want of "
            + (", ".join(_absent(part)) or "--allow-python")
        )
    else:
        found.notes.append(f"{_state_name(phase, state)}: {_described(graph)}")


def _state_name(phase: str, state: State) -> str:
    return " ".join([phase, *(f"stage {name}" for name in state.stages)])


def _described(graph: Graph) -> str:
    return f"{len(graph.nodes)} layers, {graph.parameter_count:,} parameters"


def _absent(net: Located[NetParameter]) -> list[str]:
    """Sources of a filtered net's data layers that do not exist."""
    sources = (source_of(layer, net.file) for _, layer in data_layers(net))
    return [str(source) for source in sources if source and not source.exists()]
