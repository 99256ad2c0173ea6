"""From a solver file to the nets it trains and tests, with their data."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.backends.numpy_ops import NumpyOps
from netspec.data.feeds import Feeds
from netspec.errors import SpecError
from netspec.graph import Feeding, build_graph
from netspec.layers.user_code import UserCode
from netspec.net import Net
from netspec.proto import TEST, TRAIN, SolverParameter
from netspec.solver.nets import NetSpec, test_specs, train_spec
from netspec.solver.shards import Cut, choose_cut
from netspec.solver.testing import Test
from netspec.spec import Located, filter_net
from netspec.sync import Synchronizer, Zeros

DEFAULT_SEED = 0  # where random_seed is not given: a run follows from its files


@dataclass(frozen=True)
class Settings:
    """How nets are built.

    Attributes:
        device: opened.
        lean, allow_python: see :class:`netspec.net.Net`.
        recompute: likewise, for the training net.
    """

    seed: int
    device: NumpyOps
    lean: bool
    allow_python: bool = False
    recompute: bool = False


@dataclass(frozen=True)
class Training:
    """The training net, built for one shard of its batch, and its data."""

    net: Net
    feeds: Feeds
    cut: Cut


def seed_of(solver: SolverParameter) -> int:
    """The seed of everything that is drawn."""
    return solver.random_seed if solver.random_seed >= 0 else DEFAULT_SEED


def build_training(
    solver: Located[SolverParameter],
    settings: Settings,
    ranks: int = 1,
    room: Zeros | None = None,
) -> Training:
    """Build the training net of one of *ranks* ranks.

    Args:
        room: of its parameters and gradients, see :class:`netspec.net.Net`.

    Raises:
        SpecError, DataError, DeviceError: what is wrong with the net or its data.
        UsageError: its batch does not go round the ranks.
    """
    spec = train_spec(solver)
    feeds = _feeds(spec, TRAIN, settings)
    feeding = Feeding(sources=feeds.shapes)
    code = UserCode() if settings.allow_python else None
    graph = build_graph(spec.net, TRAIN, spec.level, spec.stages, feeding, code)
    cut = choose_cut(graph, solver, ranks)
    feeding = Feeding(sources=feeds.shapes, shards=cut.shards)
    net = _net(spec, "train", settings, feeding, code=code, room=room)
    return Training(net, feeds, cut)


def build_tests(
    solver: Located[SolverParameter], settings: Settings, owner: Net, sync: Synchronizer
) -> list[Test]:
    """Build the test nets, which compute with the parameters of *owner*.

    Raises:
        SpecError, DataError: what is wrong with a net or its data.
    """
    return [_test(solver, spec, settings, owner, sync) for spec in test_specs(solver)]


def _test(
    solver: Located[SolverParameter],
    spec: NetSpec,
    settings: Settings,
    owner: Net,
    sync: Synchronizer,
) -> Test:
    feeds = _feeds(spec, TEST, settings)
    net = _net(spec, "test", settings, Feeding(sources=feeds.shapes), owner)
    try:
        return Test(net, feeds, spec.batches, owner, sync)
    except SpecError as error:
        raise error.at(solver.place("test_interval")) from None


def _feeds(spec: NetSpec, phase: int, settings: Settings) -> Feeds:
    net = filter_net(spec.net, phase, spec.level, spec.stages)
    return Feeds(net, settings.seed)


def _net(
    spec: NetSpec,
    phase: str,
    settings: Settings,
    feeding: Feeding,
    owner: Net | None = None,
    code: UserCode | None = None,
    room: Zeros | None = None,
) -> Net:
    return Net(
        spec.net,
        phase=phase,
        level=spec.level,
        stages=spec.stages,
        device=settings.device,
        lean=settings.lean,
        recompute=settings.recompute and phase == "train",
        seed=settings.seed,
        feeding=feeding,
        share_with=owner,
        allow_python=code or settings.allow_python,
        room=room,
    )
