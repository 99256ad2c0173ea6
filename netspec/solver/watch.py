"""Which test output a solver watches, and which way it improves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netspec.errors import SpecError
from netspec.graph import Graph
from netspec.proto import SolverParameter
from netspec.registry import suggest
from netspec.solver.events import TestResult
from netspec.solver.outputs import loss_weights
from netspec.spec import Located


@dataclass(frozen=True)
class Watched:
    """One output of one test net.

    Attributes:
        net: number of the test net.
        higher: whether a higher value is better.
    """

    net: int
    output: str
    higher: bool

    def value(self, results: Sequence[TestResult]) -> float:
        """Its value in one round of tests."""
        return results[self.net].value(self.output)


def watch_plateau(
    solver: Located[SolverParameter], tests: Sequence[Graph]
) -> Watched | None:
    """What lr_policy plateau judges by; None for another policy.

    Raises:
        SpecError: there is no such output, or no test net.
    """
    message = solver.message
    if message.lr_policy != "plateau":
        return None
    if not tests:
        raise SpecError(
            "lr_policy 'plateau' judges by a test net, and there is none.",
            "Add test_interval, and a net with layers for phase TEST.",
            place=solver.place("lr_policy"),
        )
    name = message.plateau_metric or _default(tests[0])
    found = _find(solver, "plateau_metric", name, tests)
    if message.plateau_mode == SolverParameter.AUTO:
        return found
    higher = message.plateau_mode == SolverParameter.MAX
    return Watched(found.net, found.output, higher)


def watch_best(
    solver: Located[SolverParameter], tests: Sequence[Graph]
) -> Watched | None:
    """What ``snapshot_best`` names; None where it is not given.

    Raises:
        SpecError: there is no such output.
    """
    name = solver.message.snapshot_best
    return _find(solver, "snapshot_best", name, tests) if name else None


def _default(graph: Graph) -> str:
    """The first Accuracy top that is an output, else the first output."""
    tops = [t for n in graph.nodes if n.type == "Accuracy" for t in n.tops]
    return next((t for t in tops if t in graph.outputs), graph.outputs[0])


def _find(
    solver: Located[SolverParameter], field: str, name: str, tests: Sequence[Graph]
) -> Watched:
    for i, graph in enumerate(tests):
        weights = loss_weights(graph)
        if name in weights:
            return Watched(i, name, higher=not weights[name])
    known = {output for graph in tests for output in graph.outputs}
    raise SpecError(
        f"{field} names {name!r}, which is no output of a test net.",
        suggest(name, known) if known else "There is no test net: add test_interval.",
        place=solver.place(field),
    )
