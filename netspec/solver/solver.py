"""The solver: takes a batch's shards, forward, backward, reduce, update, report."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any, Self

import numpy as np

from netspec.backends import Device, open_device
from netspec.data.feeds import Feeds
from netspec.errors import LabelError
from netspec.files import find
from netspec.net import Net
from netspec.net.room import telling_memory
from netspec.proto import SolverParameter
from netspec.solver.agreement import agree_on_data, agree_on_files
from netspec.solver.average import average_of
from netspec.solver.balance import Balance
from netspec.solver.banner import ranks_ready, started
from netspec.solver.building import Settings, build_tests, build_training, seed_of
from netspec.solver.check import check_solver, fault
from netspec.solver.debug import TellingRunner
from netspec.solver.events import (
    Event,
    Finished,
    Iteration,
    LastLoss,
    Listener,
    Started,
    StepSkipped,
    TestResult,
    Timings,
    Warned,
)
from netspec.solver.examiner import Examiner
from netspec.solver.feeding import Stream
from netspec.solver.files import SnapshotFiles
from netspec.solver.health import diverged, saturated
from netspec.solver.keeper import Keeper
from netspec.solver.loss_scale import loss_scale_of, precision_of
from netspec.solver.nets import train_spec
from netspec.solver.passes import Callback, Clock, Iterated, Passes, PlainRunner
from netspec.solver.samples import Course
from netspec.solver.signals import Signals, Wish
from netspec.solver.snapshot import Progress
from netspec.solver.updates import RULES, Update, needs_whole
from netspec.spec import Located, read_solver
from netspec.sync import Leaves, Local, Synchronizer, for_device
from netspec.weights import Report

Path = str | PathLike[str]


@dataclass(frozen=True)
class _Untold:
    """An iteration that was begun, and of which nobody has been told yet."""

    done: Iterated
    iteration: int
    rate: float
    display: bool
    clock: Clock


class Solver:
    """Trains a net as a solver file says.

    Args:
        solver: path of a solver prototxt, or one already read.
        weights: weights files to start from, one path or several joined by commas, in
            place of those that the solver names.
        device: see :class:`netspec.Net`.
        lean: let nets share memory and fuse layers, see :class:`netspec.Net`, unless
            debug_info asks for what every layer computes.
        recompute: have the training net compute again what backward needs; likewise.
        listeners: told every event; see :mod:`netspec.solver.events`.
        sync: the other ranks, if there are any.
        resume: a snapshot to go on from, as :meth:`restore` takes it. Where one is
            found, no other weights are read.
        allow_python: whether Python layers may run the code that the nets name.

    Attributes:
        net: the training net, built for one shard of its batch.
        parameters: the solver's message.
        histories: arrays of the arena's layout, as many as the solver type keeps; of
            several ranks each may have only the part that it updates, until a snapshot.
        average: the mean of the weights that ``ema_decay`` asks for, or None.
        listeners: may be added to at any time.
        passes: how one iteration's gradient is computed.
        callbacks: called at two points of every iteration; likewise.

    Raises:
        SpecError, DataError, DeviceError: what is wrong with the files.
    """

    def __init__(
        self,
        solver: Path | Located[SolverParameter],
        weights: Path | None = None,
        device: Device = "cpu",
        *,
        lean: bool = False,
        recompute: bool = False,
        listeners: Iterable[Listener] = (),
        sync: Synchronizer | None = None,
        resume: Path | None = None,
        allow_python: bool = False,
    ) -> None:
        open_device(device)  # before anything that takes time
        spec = _located(solver)
        check_solver(spec)
        self._spec = spec
        file_net = train_spec(spec).net.message
        self._precision = precision_of(spec.message, file_net)
        ops = open_device(device, self._precision)
        self.parameters: SolverParameter = spec.message
        self.listeners = list(listeners)
        self.callbacks: list[Callback] = []
        seed = seed_of(spec.message)
        lean = lean and not spec.message.debug_info
        recompute = recompute and lean
        self._settings = Settings(seed, ops, lean, allow_python, recompute)
        self._sync = for_device(sync or Local(), ops)
        self._training = build_training(
            spec, self._settings, self._sync.size, self._sync.shared
        )
        self.net: Net = self._training.net
        self._tests = build_tests(spec, self._settings, self.net, self._sync)
        self._progress = Progress()
        if self._precision == "fp16" and ops.runs_ahead:
            self._progress.scale = loss_scale_of(spec.message, file_net)
        self._losses: deque[float] = deque(maxlen=spec.message.average_loss)
        self._untold: deque[_Untold] = deque()
        if self._sync.size > 1:
            agree_on_files(self._sync, spec.message, [self.net, *self.test_nets])
        self._started = self._warned = False
        self._parted = False  # whether each rank has its own part of the histories
        self._wish = Wish.NONE
        self._assemble()
        if resume is None or not self.restore(resume):
            self._load_first(weights)
        self._scale_gradients()
        self._keeper.settle_algorithms([self.net, *self.test_nets])

    def _assemble(self) -> None:
        """Make the parts that do the work, around the nets and the progress."""
        spec, message, net, sync = self._spec, self.parameters, self.net, self._sync
        kinds = range(RULES[message.type].histories)
        with telling_memory(net):
            self.histories = [_zeros_like(net) for _ in kinds]
            self.average = average_of(net, message)
        self._examiner = Examiner(
            spec, self._tests, self._progress, self._emit, self.average
        )
        self._keeper = Keeper(
            spec,
            net,
            self.histories,
            self._progress,
            self._settings.seed,
            self._emit,
            sync,
            self._gather_histories,
            self.average,
        )
        self._debug = TellingRunner(self._emit) if message.debug_info else None
        leaves = Leaves(message.iter_size * net.graph.shards, sync.rank, sync.size)
        course = Course.of(net.graph, leaves)
        feeds, raw = self._training.feeds, net.ops.transforms
        self._stream = Stream(feeds, course.beginning, raw)
        runner = self._debug or PlainRunner()
        self.passes = Passes(net, self._stream, message.iter_size, sync, runner)
        names = getattr(sync, "places", range(sync.size))
        self._balance = Balance([str(name) for name in names])

    def _load_first(self, weights: Path | None) -> None:
        given = self.parameters.weights if weights is None else [fspath(weights)]
        for names in given:
            for name in names.split(","):
                self.load(find(name, beside=self._spec.file))

    # What a caller sees --------------------------------------------------------------

    @property
    def iteration(self) -> int:
        """Iterations done."""
        return self._progress.iteration

    @property
    def feeds(self) -> Feeds:
        """The data layers of the training net: a MemoryData layer's arrays go here."""
        return self._training.feeds

    @property
    def test_feeds(self) -> list[Feeds]:
        """The data layers of each test net."""
        return [test.feeds for test in self._tests]

    @property
    def test_nets(self) -> list[Net]:
        """The test nets; they compute with the training net's parameters."""
        return [test.net for test in self._tests]

    @property
    def rate(self) -> float:
        """The learning rate of the next iteration."""
        return self._examiner.rate

    def step(self, iterations: int = 1) -> list[float]:
        """Train for a number of iterations; returns the loss of each.

        Tests and snapshots happen where the file asks for them.

        Raises:
            DivergedError: a loss is not finite.
            DataError: a record is damaged.
        """
        losses: list[float] = []
        for _ in range(iterations):
            losses += self._iterate()
        return losses + self._tell()

    def solve(self, signals: bool = False) -> str:
        """Train to the end: ``max_iter``, or where plateau gives up.

        Args:
            signals: also snapshot and stop at SIGINT and SIGTERM, and snapshot at
                SIGHUP; only in the main thread.

        Returns:
            Why it ended: ``"max_iter"``, ``"plateau"`` or ``"signal"``.

        Raises:
            DivergedError, DataError: as :meth:`step`.
        """
        self._check_end()
        with Signals() if signals else nullcontext() as caught:
            reason = self._run(caught)
        if reason != "signal":
            self._keeper.write_after_training()
            self._look_at_end()
        self._emit(Finished(self.iteration, reason))
        return reason

    def apply_update(self) -> None:
        """Update the parameters from the gradients that stand in ``net.arena.diff``.

        What every iteration ends with; the iteration is not counted up.
        """
        self.net.ops.use()
        if self.average:
            self.average.begin()
        self._gather_histories()
        self._make_update(self.rate).whole()
        if self.average:
            self.average.update()

    def test(self) -> list[TestResult]:
        """Run every test net once, now."""
        self._tell()
        return self._examiner.run()

    def snapshot(self) -> SnapshotFiles:
        """Write a snapshot of the present iteration; returns the names of its files.

        Raises:
            DataError: it cannot be written; earlier ones are as they were.
            DivergedError: the weights are not finite.
        """
        self._tell()
        return self._keeper.write()

    def restore(self, path: Path) -> bool:
        """Go on from a snapshot, exactly as if there had been no interruption.

        Args:
            path: a ``.solverstate`` or its ``.caffemodel``, also with ``.h5``; or
                ``"auto"``: the newest valid snapshot under snapshot_prefix.

        Returns:
            False where ``"auto"`` found none, so that training starts afresh.

        Raises:
            DataError: the snapshot is damaged, or belongs to another net or solver.
        """
        self._untold.clear()
        found = self._keeper.restore(path)
        self._parted = self._parted and not found
        if found:
            self._examiner.forget()
            self._losses.clear()
            self._scale_gradients()
        return found

    def _scale_gradients(self) -> None:
        if self._progress.scale:
            self.net.scale_gradients(self._progress.scale.value)

    def load(self, weights: Path, **options: Any) -> Report:
        """Load weights by layer name into all nets; see :meth:`netspec.Net.load`.

        Returns:
            What became of each blob of the training net.
        """
        for net in self.test_nets:
            if net.arena.segments:  # layers that the training net does not have
                net.load(weights, **options)
        if self.average:
            self.average.forget()
        return self.net.load(weights, **options)

    def close(self) -> None:
        """Stop reading ahead; training may still go on."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Training ------------------------------------------------------------------------

    def _run(self, caught: Signals | None) -> str:
        """Iterate until there is a reason to stop."""
        limit = self.parameters.max_iter or math.inf
        self._start(self.parameters.snapshot_after_train)
        while self.iteration < limit:
            self._test_if_due()
            if self._examiner.verdict.stop:
                return "plateau"
            wish = self._iterate_heeding(caught)
            if wish is Wish.SNAPSHOT:
                self._keeper.attempt(self.snapshot)
            if wish is Wish.STOP:
                self.snapshot()
                return "signal"
        self._tell()
        return "max_iter"

    def _iterate_heeding(self, caught: Signals | None) -> Wish:
        """Iterate; returns what signals ask for, the same on every rank.

        With several ranks it is what they asked for before the iteration began.
        """
        several = self._sync.size > 1
        if several and caught:
            self.passes.wish = caught.take()
        self._iterate()
        if several:
            return self._wish
        return caught.take() if caught else Wish.NONE

    def _iterate(self) -> list[float]:
        """Iterate; returns the losses, last of all this one's, that are known by now.

        A device that runs ahead is at work on this iteration when the one before is
        looked at, unless there is something to show, to test or to write.
        """
        self.net.ops.use()
        self._start()
        self._test_if_due()
        now, rate = self.iteration, self.rate
        clock = Clock(self.net.ops, self._sync.note)
        if self._debug:
            self._debug.iteration = now
        display = _falls_on(now, self.parameters.display)
        with np.errstate(all="ignore"):  # what is not finite is looked for, below
            done = self._pass(now, rate, display, clock)
        self._wish = done.wish
        self._progress.iteration += 1
        self._untold.append(_Untold(done, now, rate, display, clock))
        ahead = self.net.ops.runs_ahead and not (display or self._is_due())
        losses = self._tell(keep=int(ahead))
        for warning in self._balance.see(done.seconds):
            self._emit(warning)
        self._sync.note("snapshot")
        self._keeper.write_if_due()
        return losses

    def _is_due(self) -> bool:
        """Whether a test or a snapshot follows on this iteration."""
        message = self.parameters
        return any(
            _falls_on(self.iteration, every)
            for every in (message.snapshot, message.test_interval)
        )

    def _pass(self, now: int, rate: float, display: bool, clock: Clock) -> Iterated:
        """Compute the gradient and update the parameters."""
        update = self._make_update(rate)
        if self.average:
            self.average.begin()
        for callback in self.callbacks:
            callback.on_start()
        early = update.part if self._updates_early else None
        try:
            done = self.passes.run(now, clock, display, early)
        except LabelError as error:
            sample = now * self.passes.images + error.row
            raise error.found_in(self.feeds.describe(sample)) from None
        self._parted |= done.updated
        if not self.net.ops.runs_ahead:
            self._check_loss(now, done.loss())
        for callback in self.callbacks:
            callback.on_gradients_ready()
        if self._may_step(now):
            if not done.updated:
                self._gather_histories()
                clock.time("update", update.whole)
            if self.average:
                clock.time("update", self.average.update)
        if self._debug:
            self._debug.updated(self.net)
        return done

    def _gather_histories(self) -> None:
        """Have all of the histories on every rank; all ranks call it alike."""
        if self._parted:
            for history in self.histories:
                self.passes.complete(history)
        self._parted = False

    def _may_step(self, now: int) -> bool:
        """Whether the gradient is finite, where the numbers of FP16 may overflow."""
        scale = self._progress.scale
        if scale is None:
            return True
        finite = self.net.ops.all_finite(self.net.arena.diff)
        if scale.take(finite):
            self.net.scale_gradients(scale.value)
        if not finite:
            self._emit(StepSkipped(now, scale.value, scale.skipped))
        return finite

    @property
    def _updates_early(self) -> bool:
        """Whether a bucket may be updated before the whole gradient is there."""
        waits = self.callbacks or self._debug or self._progress.scale
        return not (waits or needs_whole(self.parameters))

    def _make_update(self, rate: float) -> Update:
        net, now, scale = self.net, self.iteration, self._progress.scale
        return Update(
            net.ops,
            net.arena,
            self.histories,
            self.parameters,
            now,
            rate,
            scale.value if scale else 1.0,
        )

    def _check_loss(self, iteration: int, loss: float) -> None:
        if not math.isfinite(loss):
            kept = self._keeper.last
            state = str(kept.state) if kept else ""
            self.passes.load_bad(iteration)
            raise diverged(self.net, iteration, loss, state)
        warning = saturated(loss, iteration)
        if warning and not self._warned:
            self._warned = True
            self._emit(warning)

    def _test_if_due(self) -> None:
        self._sync.note("test")
        if self._examiner.run_if_due():
            self._keeper.attempt(self._keeper.write_best)

    # What is told --------------------------------------------------------------------

    def _emit(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)

    def _tell(self, keep: int = 0) -> list[float]:
        """Tell of iterations, but for the last *keep*; returns their losses."""
        losses = []
        while len(self._untold) > keep:
            each = self._untold.popleft()
            losses.append(each.done.loss())
            self._tell_of(each, losses[-1])
        return losses

    def _tell_of(self, each: _Untold, loss: float) -> None:
        if self.net.ops.runs_ahead:
            self._check_loss(each.iteration, loss)
        seconds = each.clock.seconds
        self.passes.spent(seconds)
        self._losses.append(loss)
        self._emit(
            Iteration(
                iteration=each.iteration,
                loss=loss,
                smoothed=self._smoothed,
                rate=each.rate,
                images=self.passes.images,
                display=each.display,
                timings=Timings(**seconds),
                outputs=each.done.outputs,
            )
        )

    @property
    def _smoothed(self) -> float:
        return sum(self._losses) / len(self._losses)

    def _start(self, snapshots: bool = False) -> None:
        """Before the first iteration: find out what will fail later, and say hello."""
        if self._started:
            return
        self._started = True
        message = self.parameters
        if message.snapshot or message.snapshot_best or snapshots:
            self._keeper.prepare()
        self._emit(self.facts())
        self._warn_precision()
        if self._sync.size > 1:
            agree_on_data(self._sync, [self.feeds, *self.test_feeds])
            self._keeper.share_weights()
            self._emit(ranks_ready(self._sync, self.net.ops))
        self._examiner.warn()

    def _warn_precision(self) -> None:
        asked, ops = self._precision, self.net.ops
        if asked != "fp32" and not ops.runs_ahead:
            self._emit(
                Warned(
                    f"precision {asked.upper()} is for GPUs; device {ops.name} "
                    "computes in FP32.",
                    "Train on a GPU (--gpu 0), or remove it.",
                )
            )

    def facts(self) -> Started:
        """What a banner says of the run."""
        return started(
            self.parameters,
            self._training,
            self._settings,
            self.passes,
            self.iteration,
            len(self._tests),
        )

    def _check_end(self) -> None:
        if not self.parameters.max_iter and self.parameters.lr_policy != "plateau":
            raise fault(
                self._spec,
                "max_iter",
                "the solver has no max_iter, so training would never end.",
                "Add max_iter, the number of iterations.",
            )

    def _look_at_end(self) -> None:
        """Caffe's last line and last test, where they fall on the last iteration."""
        if _falls_on(self.iteration, self.parameters.display):
            self._losses.append(self.passes.peek(self.iteration))
            self._emit(LastLoss(self.iteration, self._smoothed))
        self._test_if_due()


def _located(solver: Path | Located[SolverParameter]) -> Located[SolverParameter]:
    if isinstance(solver, Located):
        return solver
    return read_solver(find(fspath(solver)))


def _zeros_like(net: Net) -> Any:
    """An array of the layout and on the device of a net's parameters."""
    return net.ops.zeros(len(net.arena.data), net.dtype)


def _falls_on(iteration: int, every: int) -> bool:
    return every > 0 and iteration % every == 0
