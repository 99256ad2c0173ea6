"""What a solver tells its listeners.

A listener is any callable that takes one event.  Events are plain values: a reporter
that is added to the console, a log or a file needs nothing else from the solver.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


class Event:
    """Base of all events."""


Listener = Callable[[Event], None]


@dataclass(frozen=True)
class Output:
    """The values of one output blob and its weight in the loss (0: no loss)."""

    name: str
    values: tuple[float, ...]
    loss_weight: float = 0.0


@dataclass(frozen=True)
class Timings:
    """Seconds of one iteration, by what they were spent on.

    Attributes:
        wait: for sums over ranks, after backward.
        communication: all that these sums took; what is more than *wait* was hidden
            behind backward, and is no part of the total.
    """

    data: float = 0.0
    forward: float = 0.0
    backward: float = 0.0
    update: float = 0.0
    wait: float = 0.0
    communication: float = 0.0

    @property
    def total(self) -> float:
        """Seconds of the whole iteration."""
        return self.data + self.forward + self.backward + self.update + self.wait

    @property
    def hidden(self) -> float | None:
        """The share of communication behind backward; None where there was none."""
        if not self.communication:
            return None
        return max(0.0, 1 - self.wait / self.communication)


@dataclass(frozen=True)
class Started(Event):
    """Facts for the banner.

    Attributes:
        batch: images of one pass over the net, all shards together.
        images: images of one iteration: batch times iter_size.
        train_size: records of the training source, None where it has no end.
        seed_given: False where the file left the seed out and the default is used.
        max_iter: None where no end is set.
        rank_images: images of one iteration that rank 0 computes.
        exact: whether the result has the same bits as on one rank.
    """

    net: str
    iteration: int
    max_iter: int | None
    batch: int
    iter_size: int
    shards: int
    shard_reason: str
    train_size: int | None
    seed: int
    seed_given: bool
    type: str
    lr_policy: str
    parameters: int
    test_nets: int
    device: str
    ranks: int = 1
    rank_images: int = 0
    exact: bool = True

    @property
    def images(self) -> int:
        """Images of one iteration."""
        return self.batch * self.iter_size

    @property
    def iterations_per_epoch(self) -> float | None:
        """Iterations that see the training set once."""
        known = self.train_size and self.images
        return self.train_size / self.images if known and self.train_size else None


@dataclass(frozen=True)
class Iteration(Event):
    """One iteration was done.

    Attributes:
        iteration: its number, from 0.
        loss: the batch's loss, mean over iter_size.
        smoothed: mean of the last average_loss losses.
        rate: the learning rate that it used.
        display: whether the file's ``display`` asks for a line.
        outputs: the net's outputs; filled where *display* is true.
    """

    iteration: int
    loss: float
    smoothed: float
    rate: float
    images: int
    display: bool
    timings: Timings = field(default_factory=Timings)
    outputs: tuple[Output, ...] = ()


@dataclass(frozen=True)
class RanksReady(Event):
    """Ranks have found each other, and have timed a reduction.

    Attributes:
        ranks: what each is called, and where it runs.
        library: what they talk through.
        bytes: of the array that was reduced.
        seconds: that the quickest reduction of it took.
    """

    ranks: tuple[str, ...]
    library: str
    bytes: int
    seconds: float

    @property
    def bandwidth(self) -> float:
        """Bytes a second that each rank sends and receives."""
        ranks = len(self.ranks)
        return 2 * (ranks - 1) / ranks * self.bytes / self.seconds


@dataclass(frozen=True)
class TestStarted(Event):
    """A test net is about to run."""

    __test__ = False  # pytest: not a test class

    iteration: int
    net: int


@dataclass(frozen=True)
class TestResult(Event):
    """A test net was run.

    Attributes:
        net: number of the test net.
        images: records that were seen.
        whole_set: whether they were the whole set, each record once.
        loss: mean weighted loss where ``test_compute_loss`` asks for it, else None.
    """

    __test__ = False

    iteration: int
    net: int
    outputs: tuple[Output, ...]
    images: int
    seconds: float
    whole_set: bool
    loss: float | None = None

    def value(self, name: str) -> float:
        """The first value of one output; KeyError where there is none."""
        for output in self.outputs:
            if output.name == name and output.values:
                return output.values[0]
        raise KeyError(name)


@dataclass(frozen=True)
class StepSkipped(Event):
    """A gradient overflowed in FP16: the step was left out, the loss scale lowered.

    Attributes:
        scale: from now on.
        skipped: steps so far.
    """

    iteration: int
    scale: float
    skipped: int


@dataclass(frozen=True)
class RateDropped(Event):
    """plateau lowered the rate: drop number *drops* from a best of *best*."""

    iteration: int
    rate: float
    drops: int
    best: float
    best_iteration: int


@dataclass(frozen=True)
class SnapshotWritten(Event):
    """Both files of a snapshot are on disk under their final names."""

    iteration: int
    weights: str
    state: str
    best: bool = False


@dataclass(frozen=True)
class Restored(Event):
    """Training goes on from a snapshot; *passed_over* lists broken newer ones."""

    iteration: int
    state: str
    weights: str
    passed_over: tuple[str, ...] = ()


@dataclass(frozen=True)
class Warned(Event):
    """Something the user should know, in one sentence with a remedy."""

    problem: str
    remedy: str = ""


@dataclass(frozen=True)
class DebugInfo(Event):
    """``debug_info``: mean absolute value of one array of one layer.

    Attributes:
        pass_: "Forward", "Backward" or "Update".
        what: "top blob", "bottom blob" or "param blob".
        kind: "data" or "diff".
    """

    iteration: int
    pass_: str
    layer: str
    what: str
    name: str
    kind: str
    mean_abs: float


@dataclass(frozen=True)
class LastLoss(Event):
    """Where ``display`` asks for a line after the last iteration: the smoothed loss,
    with that of one more forward pass."""

    iteration: int
    smoothed: float


@dataclass(frozen=True)
class Finished(Event):
    """Training ended.

    Attributes:
        reason: "max_iter", "plateau" or "signal".
    """

    iteration: int
    reason: str
