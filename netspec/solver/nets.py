"""The nets that a solver file names, read and located; nothing is built here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from netspec.errors import SpecError
from netspec.files import find
from netspec.proto import NetParameter, NetState, SolverParameter
from netspec.spec import Located, inline_net, read_net

Solver = Located[SolverParameter]


@dataclass(frozen=True)
class NetSpec:
    """One net to build.

    Attributes:
        state: level and stages; its phase does not count.
        batches: batches a test, or None: the whole set once.
    """

    net: Located[NetParameter]
    state: NetState
    batches: int | None = None

    @property
    def level(self) -> int:
        """Level of the state."""
        return self.state.level

    @property
    def stages(self) -> tuple[str, ...]:
        """Stages of the state."""
        return tuple(self.state.stage)


def train_spec(solver: Solver) -> NetSpec:
    """The training net.

    Raises:
        SpecError: its file is missing or wrong.
    """
    message = solver.message
    for field in ("train_net_param", "net_param"):
        if message.HasField(field):
            return NetSpec(inline_net(solver, field), message.train_state)
    field = "train_net" if message.HasField("train_net") else "net"
    return NetSpec(_read(solver, getattr(message, field)), message.train_state)


def test_specs(solver: Solver) -> list[NetSpec]:
    """The test nets in Caffe's order: test_net_param, test_net, then net_param or net.

    Raises:
        SpecError: a file is missing or wrong, or test_state does not go round.
    """
    message = solver.message
    if not message.test_interval:
        return []
    nets = list(_test_nets(solver))
    states = list(message.test_state) or [NetState()] * len(nets)
    if len(states) != len(nets):
        raise SpecError(
            f"{len(states)} test_state entries are given for {len(nets)} test nets.",
            "Give none, or one for each test net; each test_iter beyond those of "
            "test_net makes one more of net.",
            place=solver.place("test_state"),
        )
    for net in nets:
        _tell_judges(net.message, message)
    batches: list[int | None] = [*message.test_iter] or [None] * len(nets)
    return [NetSpec(*each) for each in zip(nets, states, batches)]


def _tell_judges(net: NetParameter, solver: SolverParameter) -> None:
    """What SSD's solvers say of detections, to the layers that judge them."""
    for layer in net.layer:
        if layer.type != "DetectionEvaluate":
            continue
        param = layer.detection_evaluate_param
        for field in ("ap_version", "show_per_class_result"):
            if solver.HasField(field) and not param.HasField(field):
                setattr(param, field, getattr(solver, field))


def _test_nets(solver: Solver) -> Iterator[Located[NetParameter]]:
    message = solver.message
    for i in range(len(message.test_net_param)):
        yield inline_net(solver, "test_net_param", i)
    for name in message.test_net:
        yield _read(solver, name)
    named = len(message.test_net_param) + len(message.test_net)
    for _ in range(_generic_tests(message, named)):
        if message.HasField("net_param"):
            yield inline_net(solver, "net_param")
        else:
            yield _read(solver, message.net)


def _generic_tests(message: SolverParameter, named: int) -> int:
    """How many test nets are made of net or net_param: what test_iter leaves over.

    Without test_iter, as many as test_state has left, or one where no other is named.
    """
    if not (message.HasField("net") or message.HasField("net_param")):
        return 0
    if message.test_iter:
        return len(message.test_iter) - named
    if message.test_state:
        return max(0, len(message.test_state) - named)
    return 0 if named else 1


def _read(solver: Solver, name: str) -> Located[NetParameter]:
    return read_net(find(name, beside=solver.file), lenient=solver.lenient)


def folder_of(spec: NetSpec) -> Path:
    """The folder of the file that a net was read from."""
    return Path(spec.net.file).parent
