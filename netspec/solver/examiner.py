"""When test nets run, and what follows from what they find."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

from netspec.proto import SolverParameter
from netspec.solver.average import Average
from netspec.solver.events import Event, RateDropped, TestResult, TestStarted, Warned
from netspec.solver.plateau import Measured, Patience, Verdict, improves, judge
from netspec.solver.schedules import learning_rate
from netspec.solver.snapshot import Progress
from netspec.solver.testing import Test
from netspec.solver.watch import watch_best, watch_plateau
from netspec.spec import Located


class Examiner:
    """Runs the test nets of one training run.

    Args:
        progress: the solver's own; records and the best metric are kept up here.
        emit: told what happens.
        average: the mean of the weights that tests compute with, if there is one.
    """

    def __init__(
        self,
        solver: Located[SolverParameter],
        tests: Sequence[Test],
        progress: Progress,
        emit: Callable[[Event], None],
        average: Average | None = None,
    ) -> None:
        self._message = solver.message
        self._tests, self._progress, self._emit = tests, progress, emit
        graphs = [test.net.graph for test in tests]
        self._plateau = watch_plateau(solver, graphs)
        self._best = watch_best(solver, graphs)
        self._average = average
        self._done_at: int | None = None

    @property
    def verdict(self) -> Verdict:
        """What plateau makes of the tests so far."""
        return judge(self._progress.record, self._patience)

    @property
    def rate(self) -> float:
        """The learning rate of the present iteration."""
        drops = self.verdict.drops if self._plateau else 0
        return learning_rate(self._message, self._progress.iteration, drops)

    def forget(self) -> None:
        """Test again even where this iteration was tested: the weights are others."""
        self._done_at = None

    def run_if_due(self) -> bool:
        """Test where ``test_interval`` says so; True: the best result so far."""
        now, interval = self._progress.iteration, self._message.test_interval
        due = interval and now % interval == 0
        if not due or self._done_at == now or not self._tests:
            return False
        if now == 0 and not self._message.test_initialization:
            return False
        self._done_at = now
        return self._judge(self.run())

    def run(self) -> list[TestResult]:
        """Run every test net once, with the mean of the weights where one is kept."""
        with self._average.in_place() if self._average else nullcontext():
            return self._run()

    def _run(self) -> list[TestResult]:
        now, number = self._progress.iteration, self._tests_before()
        results = []
        for i, test in enumerate(self._tests):
            self._emit(TestStarted(now, i))
            scores = test.run(number)
            loss = scores.loss if self._message.test_compute_loss else None
            result = TestResult(
                now,
                i,
                scores.outputs,
                scores.images,
                scores.seconds,
                scores.whole_set,
                loss,
            )
            self._emit(result)
            results.append(result)
        return results

    def warn(self) -> None:
        """Say which tests do not see each record of their set once."""
        for i, test in enumerate(self._tests):
            if test.feeds.size and not test.whole_set:
                images = (test.batches or 0) * test.batch
                problem = f"test net {i} sees {images} images a test"
                remedy = "Leave test_iter out, and each test sees the whole set once."
                problem += f"; its set has {test.feeds.size}."
                self._emit(Warned(problem, remedy))

    def _tests_before(self) -> int:
        """Rounds of tests that a run has done before the one at this iteration."""
        interval = max(1, self._message.test_interval)
        rounds = -(-self._progress.iteration // interval)
        first = 0 if self._message.test_initialization else 1
        return max(0, rounds - first)

    @property
    def _patience(self) -> Patience:
        message = self._message
        return Patience(
            tests=message.plateau_patience,
            min_delta=message.plateau_min_delta,
            drops=message.plateau_drops,
            higher=self._plateau.higher if self._plateau else True,
        )

    def _judge(self, results: list[TestResult]) -> bool:
        if self._plateau:
            before = self.verdict
            self._record(self._plateau.value(results))
            self._tell_drop(before, self.verdict)
        return self._is_best(results)

    def _record(self, metric: float) -> None:
        """Add a test to the record, in place of those of a course given up."""
        progress = self._progress
        now = progress.iteration
        progress.record[:] = [t for t in progress.record if t.iteration < now]
        progress.record.append(Measured(now, metric))

    def _tell_drop(self, before: Verdict, after: Verdict) -> None:
        if after.drops > before.drops and after.best:
            self._emit(
                RateDropped(
                    self._progress.iteration,
                    self.rate,
                    after.drops,
                    after.best.metric,
                    after.best.iteration,
                )
            )

    def _is_best(self, results: list[TestResult]) -> bool:
        if not self._best:
            return False
        metric = self._best.value(results)
        patience = Patience(tests=1, higher=self._best.higher)
        if not improves(metric, self._progress.best, patience):
            return False
        self._progress.best = Measured(self._progress.iteration, metric)
        return True
