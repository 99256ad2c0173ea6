"""The terminal: a banner, a live line, and one line for each thing worth keeping.

On a terminal the line of the present iteration is redrawn in place (rich); elsewhere
plain lines are printed, at the file's ``display`` and at most so often.
"""

from __future__ import annotations

import time
from functools import singledispatchmethod
from typing import Any, TextIO

from netspec.report.lines import weighted
from netspec.solver.events import (
    Event,
    Finished,
    Iteration,
    Output,
    RanksReady,
    RateDropped,
    Restored,
    SnapshotWritten,
    Started,
    StepSkipped,
    TestResult,
    Timings,
    Warned,
)

REDRAW = 0.1  # seconds between two drawings of the live line


class ConsoleReporter:
    """Listens to a solver and prints for a person.

    Args:
        stream: where to print.
        live: whether the stream is a terminal that can redraw a line.
    """

    def __init__(self, stream: TextIO, live: bool) -> None:
        self._stream = stream
        self._live = _LiveLine(stream) if live else None
        self._pace = Pace()
        self._max_iter: int | None = None

    @singledispatchmethod
    def _on(self, event: Event) -> None:
        """Events that need no line."""

    def __call__(self, event: Event) -> None:
        """Listen."""
        self._on(event)

    def close(self) -> None:
        """Remove the live line, so that what follows starts on a clean one."""
        if self._live:
            self._live.clear()

    def _print(self, *lines: str) -> None:
        self.close()
        self._stream.write("".join(line + "\n" for line in lines))
        self._stream.flush()

    @_on.register
    def _(self, event: Started) -> None:
        self._max_iter = event.max_iter
        self._print(*banner(event))

    @_on.register
    def _(self, event: RanksReady) -> None:
        self._print(*ranks_lines(event))

    @_on.register
    def _(self, event: Iteration) -> None:
        self._pace.step(event.timings.total, event.images)
        line = self._iteration(event)
        if event.display:
            self._print(line)
        elif self._live:
            self._live.draw(line)

    def _iteration(self, event: Iteration) -> str:
        end = f"/{self._max_iter}" if self._max_iter else ""
        parts = [
            f"iteration {event.iteration}{end}",
            f"loss {event.smoothed:.5g}",
            f"lr {event.rate:.4g}",
            f"{self._pace.images_per_second:.4g} images/s",
        ]
        if self._max_iter:
            left = self._max_iter - event.iteration - 1
            parts.append(f"{duration(left * self._pace.seconds_per_iteration)} left")
        parts.extend(split(event.timings))
        return "  ".join(parts)

    @_on.register
    def _(self, event: TestResult) -> None:
        whole = "the whole set" if event.whole_set else "not one pass over the set"
        self._print(
            f"test net {event.net} at iteration {event.iteration}: {event.images} "
            f"images ({whole}), {event.seconds:.1f} s",
            *(f"  {line}" for line in output_lines(event.outputs)),
        )

    @_on.register
    def _(self, event: StepSkipped) -> None:
        self._print(
            f"iteration {event.iteration}: the gradient overflowed, so its step is "
            f"skipped ({event.skipped} so far); the loss scale is now {event.scale:g}"
        )

    @_on.register
    def _(self, event: RateDropped) -> None:
        self._print(
            f"iteration {event.iteration}: no better than {event.best:.5g} of "
            f"iteration {event.best_iteration}; lr is now {event.rate:.4g} "
            f"(drop {event.drops})"
        )

    @_on.register
    def _(self, event: SnapshotWritten) -> None:
        best = ", the best so far" if event.best else ""
        self._print(f"snapshot at iteration {event.iteration}{best}: {event.weights}")

    @_on.register
    def _(self, event: Restored) -> None:
        passed = [f"  passed over: {reason}" for reason in event.passed_over]
        self._print(
            f"resumed at iteration {event.iteration} from {event.state}", *passed
        )

    @_on.register
    def _(self, event: Warned) -> None:
        self._print(f"warning: {event.problem} {event.remedy}".rstrip())

    @_on.register
    def _(self, event: Finished) -> None:
        why = {
            "max_iter": "max_iter is reached",
            "plateau": "the rate was lowered as often as allowed and nothing improves",
            "signal": "a signal asked for it",
        }
        self._print(f"done at iteration {event.iteration}: {why[event.reason]}")


def banner(event: Started) -> list[str]:
    """What a run is, in a few lines."""
    epoch = event.iterations_per_epoch
    end = f"{event.max_iter} iterations" if event.max_iter else "no end set"
    seed = "" if event.seed_given else " (random_seed is not in the file)"
    return [
        f"{event.net}: {event.parameters:,} parameters, {event.type}, lr "
        f"{event.lr_policy}, {end}, on {event.device}",
        f"global batch {event.images} = {event.batch} images x iter_size "
        f"{event.iter_size}; {event.shards} shard(s): {event.shard_reason}",
        *_ranks(event),
        f"epoch: {event.train_size} records = {epoch:.1f} iterations"
        if epoch
        else "epoch: the source has no end",
        f"seed {event.seed}{seed}",
    ]


def _ranks(event: Started) -> list[str]:
    """How ranks divide the batch, and what that does to the result."""
    if event.ranks == 1:
        return []
    result = (
        "the same bits as one rank"
        if event.exact
        else "not the bits of one rank, but equal within rounding"
    )
    return [
        f"{event.ranks} ranks, rank 0 computes {event.rank_images} images; {result}"
    ]


def ranks_lines(event: RanksReady) -> list[str]:
    """Who the ranks are, and how fast they talk."""
    size, milliseconds = event.bytes / 2**20, 1e3 * event.seconds
    return [
        f"{len(event.ranks)} ranks through {event.library}: {', '.join(event.ranks)}",
        f"a sum of {size:.0f} MiB over them takes {milliseconds:.3g} ms: each sends "
        f"{event.bandwidth / 1e9:.3g} GB/s",
    ]


def split(timings: Timings) -> list[str]:
    """What an iteration on several ranks was spent on; nothing on one."""
    if not timings.communication or not timings.total:
        return []
    parts = {
        "data": timings.data,
        "compute": timings.forward + timings.backward + timings.update,
        "wait": timings.wait,
    }
    shares = [f"{name} {100 * s / timings.total:.0f} %" for name, s in parts.items()]
    return [" ".join(shares)]


def output_lines(outputs: tuple[Output, ...]) -> list[str]:
    """One line for each value of each output."""
    return [
        f"{o.name} = {v:.6g}{weighted(o.loss_weight, v)}"
        for o in outputs
        for v in o.values
    ]


def duration(seconds: float) -> str:
    """``1:02:03`` or ``2:03``."""
    minutes, second = divmod(max(0, round(seconds)), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


class Pace:
    """Speed over the last iterations, an average that forgets.

    The first iteration, which compiles, and the time that tests and snapshots take do
    not count: an iteration's own seconds do.
    """

    MEMORY = 0.95

    def __init__(self) -> None:
        self.seconds_per_iteration = 0.0
        self._images = 0
        self._seen = 0

    def step(self, seconds: float, images: int) -> None:
        """One more iteration of so many images took so long."""
        self._images = images
        self._seen += 1
        if self._seen <= 2:  # the first only stands in until there is a second
            self.seconds_per_iteration = seconds
            return
        share = 1 - self.MEMORY
        self.seconds_per_iteration += share * (seconds - self.seconds_per_iteration)

    @property
    def images_per_second(self) -> float:
        """Images a second at the present pace."""
        took = self.seconds_per_iteration
        return self._images / took if took else 0.0


class _LiveLine:
    """One line at the foot of a terminal, redrawn in place."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=stream)
        self._make: Any = lambda: Live(
            console=self._console, transient=True, auto_refresh=False
        )
        self._now: Any = None
        self._drawn = 0.0

    def draw(self, line: str) -> None:
        """Show a line in place of the last one; too frequent calls are passed over."""
        now = time.perf_counter()
        if now - self._drawn < REDRAW:
            return
        self._drawn = now
        if self._now is None:
            self._now = self._make()
            self._now.start()
        self._now.update(line, refresh=True)

    def clear(self) -> None:
        """Take the line away."""
        if self._now is not None:
            self._now.stop()
            self._now = None
