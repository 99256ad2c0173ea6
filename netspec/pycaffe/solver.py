"""``caffe.SGDSolver`` and its kin."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from os import PathLike, fspath
from typing import Any, ClassVar

from netspec.files import find
from netspec.net import Net as CoreNet
from netspec.proto import SolverParameter
from netspec.pycaffe.course import Course
from netspec.pycaffe.logs import listen
from netspec.pycaffe.mirror import join_mirrors, mirrors_of
from netspec.pycaffe.modes import python_allowed, settings
from netspec.pycaffe.net import Net
from netspec.solver import Solver as CoreSolver
from netspec.solver.passes import PlainRunner, Runner
from netspec.spec import Located, read_solver

Path = str | PathLike[str]


class Solver:
    """Trains a net as a solver file says; made by :func:`get_solver` or a subclass.

    The training net holds the whole batch, as programs expect: unless the file says
    ``shards``, the batch is not cut. What happens is logged, see
    :func:`netspec.pycaffe.init_log`. One lock guards a solver and all of its nets.

    Args:
        param_file: a solver prototxt; its ``type`` does not count where the class
            stands for one.
        allow_python: see :class:`~netspec.pycaffe.Net`.

    Attributes:
        net: the training net.
        test_nets: nets that compute with the training net's parameters.

    Raises:
        NetspecError: what is wrong with the files.
    """

    type: ClassVar[str] = ""
    net: Net
    test_nets: list[Net]

    def __init__(self, param_file: Path, allow_python: bool | None = None) -> None:
        spec = read_solver(find(fspath(param_file)))
        self._begin(_adapted(spec, self.type), allow_python)

    def _begin(self, spec: Located[SolverParameter], allow_python: bool | None) -> None:
        self._lock = threading.RLock()
        self._core = core = CoreSolver(
            spec,
            device=settings().device,
            listeners=[listen],
            allow_python=python_allowed(allow_python),
        )
        self._mirrors = mirrors_of(core.net)
        for test in core.test_nets:
            join_mirrors(test, core.net)
        self.net = Net._around(core.net, core.feeds, self._lock)
        self.net._trained = True
        feeds = zip(core.test_nets, core.test_feeds)
        self.test_nets = [Net._around(*each, self._lock) for each in feeds]
        core.passes.runner = _Runner(core.passes.runner, self.net._course)

    @property
    def iter(self) -> int:
        """Iterations done."""
        return self._core.iteration

    @property
    def param(self) -> SolverParameter:
        """The solver's message; ``base_lr`` may be set while training."""
        return self._core.parameters

    @property
    def lr(self) -> float:
        """The learning rate of the next iteration."""
        return self._core.rate

    def step(self, iterations: int) -> None:
        """Train for a number of iterations.

        Raises:
            DivergedError: the loss is not finite.
            DataError: a record is damaged.
        """
        with self._lock:
            self._settle()
            with self._mirrors.in_step():
                self._core.step(iterations)

    def solve(self, resume_file: Path | None = None) -> None:
        """Train to max_iter, from a snapshot where one is given; raises as step."""
        with self._lock:
            if resume_file is not None:
                self.restore(resume_file)
            self._settle()
            with self._mirrors.in_step():
                self._core.solve()

    def _settle(self) -> None:
        """Before training: let nets take up what programs have set."""
        for net in (self.net, *self.test_nets):
            net.reshape()
        if any(node.type == "MemoryData" for node in self.net._core.graph.sources):
            self._core.close()  # its arrays may have changed since they were read ahead

    def snapshot(self) -> None:
        """Write weights and state of the present iteration.

        Raises:
            DataError: they cannot be written; earlier ones are as they were.
        """
        with self._lock, self._mirrors.in_step():
            self._core.snapshot()

    def restore(self, state_file: Path) -> None:
        """Go on from a snapshot.

        Raises:
            DataError: it is damaged, or belongs to another net or solver.
        """
        with self._lock, self._mirrors.in_step():
            self._core.restore(state_file)

    def apply_update(self) -> None:
        """Update the parameters from the gradients that stand in the net.

        ``iter`` is not counted up.
        """
        with self._lock, self._mirrors.in_step():
            self._core.apply_update()

    def share_weights(self, net: Net) -> None:
        """Let *net* compute with the training net's parameters."""
        net.share_with(self.net)

    def add_callback(
        self, on_start: Callable[[], Any], on_gradients_ready: Callable[[], Any]
    ) -> None:
        """Have functions called in every iteration.

        Args:
            on_start: before the first forward pass.
            on_gradients_ready: when all gradients stand in the net, before the update.
        """
        shown = self._mirrors.shown
        self._core.callbacks.append(_Callback(on_start, on_gradients_ready, shown))


class _Callback:
    """Two functions as the solver wants them.

    Args:
        shown: what they look at, they look at within it.
    """

    def __init__(
        self,
        on_start: Callable[[], Any],
        on_gradients_ready: Callable[[], Any],
        shown: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._calls, self._shown = (on_start, on_gradients_ready), shown

    def on_start(self) -> None:
        """See :class:`netspec.solver.passes.Callback`."""
        with self._shown():
            self._calls[0]()

    def on_gradients_ready(self) -> None:
        """See :class:`netspec.solver.passes.Callback`."""
        with self._shown():
            self._calls[1]()


class _Runner(PlainRunner):
    """Runs the training net with the calls that programs hung into it.

    Args:
        inner: how the solver runs single layers.
    """

    def __init__(self, inner: Runner, course: Course) -> None:
        self._inner, self._course = inner, course

    def forward(self, net: CoreNet) -> None:
        """Run all layers."""
        self._course.forward(0, len(net.forward_steps) - 1, self._inner)

    def backward(self, net: CoreNet) -> None:
        """Run all layers backward."""
        self._course.backward(len(net.forward_steps) - 1, 0, self._inner)


def _adapted(spec: Located[SolverParameter], kind: str) -> Located[SolverParameter]:
    """The solver as pycaffe means it: the class decides the type, batches are whole."""
    message = spec.message
    if kind:
        message.type = kind
    if not message.shards:
        message.shards = 1
    seed = settings().seed
    if message.random_seed < 0 and seed is not None:
        message.random_seed = seed
    return spec


class SGDSolver(Solver):
    """Stochastic gradient descent with momentum."""

    type = "SGD"


class NesterovSolver(SGDSolver):
    """Nesterov's accelerated gradient."""

    type = "Nesterov"


class AdaGradSolver(SGDSolver):
    """AdaGrad."""

    type = "AdaGrad"


class RMSPropSolver(SGDSolver):
    """RMSProp."""

    type = "RMSProp"


class AdaDeltaSolver(SGDSolver):
    """AdaDelta."""

    type = "AdaDelta"


class AdamSolver(SGDSolver):
    """Adam."""

    type = "Adam"


_CLASSES = {
    kind.type: kind
    for kind in (
        *(SGDSolver, NesterovSolver, AdaGradSolver),
        *(RMSPropSolver, AdaDeltaSolver, AdamSolver),
    )
}


def get_solver(param_file: Path, allow_python: bool | None = None) -> Solver:
    """The solver of the type that its file names; arguments are those of Solver.

    Raises:
        NetspecError: what is wrong with the files.
    """
    spec = read_solver(find(fspath(param_file)))
    solver = Solver.__new__(_CLASSES.get(spec.message.type, Solver))
    solver._begin(_adapted(spec, ""), allow_python)
    return solver
