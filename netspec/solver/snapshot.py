"""Snapshots: what is written, and what a resumed run takes from it.

The state holds the checksum of the weights, and takes its place last: a state that is
there and true therefore proves that both files are whole.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from netspec.errors import DataError, NetspecError, Place
from netspec.net import Net
from netspec.net.save import save_weights
from netspec.proto import NetParameter, SolverParameter, SolverState
from netspec.shapes import describe
from netspec.solver.average import Average
from netspec.solver.files import (
    SnapshotFiles,
    average_file,
    best_states,
    newest_first,
    weights_file,
)
from netspec.solver.loss_scale import LossScale
from netspec.solver.plateau import Measured
from netspec.solver.schedules import POLICIES, steps_taken
from netspec.solver.state import StoredState, fit_history, read_state, write_state
from netspec.solver.updates import RULES

# Solver fields that decide how a run goes on; others may change on the way.
_COURSE = frozenset(
    (
        *("train_state", "base_lr", "iter_size", "lr_policy", "gamma", "power"),
        *("stepsize", "stepvalue", "momentum", "weight_decay", "regularization_type"),
        *("type", "clip_gradients", "random_seed", "delta", "momentum2", "rms_decay"),
        *("shards", "plateau_metric", "plateau_patience", "plateau_min_delta"),
        *("plateau_drops", "plateau_mode", "warmup_iter", "warmup_start_lr", "min_lr"),
        *("local_gw_ratio", "ema_decay", "precision", "loss_scale"),
        *("loss_scale_window", "momentum_policy", "max_momentum", "momentum_power"),
        *("weight_decay_policy", "max_weight_decay", "weight_decay_power"),
        *("larc", "larc_policy", "larc_eta"),
    )
)


@dataclass
class Progress:
    """Where a run is: all that a resumed run needs beside arrays.

    Attributes:
        iteration: iterations done.
        record: the plateau metric at each test so far.
        best: the best of ``snapshot_best``.
        kept: iterations whose numbered snapshots are there, oldest first.
        scale: of the gradients in FP16.
    """

    iteration: int = 0
    record: list[Measured] = field(default_factory=list)
    best: Measured | None = None
    kept: list[int] = field(default_factory=list)
    scale: LossScale | None = None

    def become(self, other: Progress) -> None:
        """Go on from another place; a scale that it does not know stays."""
        own = self.scale
        vars(self).update(vars(other))
        if own and other.scale:
            own.value, own.good = other.scale.value, other.scale.good
            own.skipped = other.scale.skipped
        self.scale = own


def course_digest(net: NetParameter, solver: SolverParameter) -> bytes:
    """SHA-256 of what the course of a run follows from, seeds and data aside."""
    course = SolverParameter()
    course.CopyFrom(solver)
    deciding = _COURSE | _deciding_here(solver)
    for descriptor, _ in solver.ListFields():
        if descriptor.name not in deciding:
            course.ClearField(descriptor.name)
    parts = (net, course)
    serialized = b"".join(part.SerializeToString(deterministic=True) for part in parts)
    return hashlib.sha256(serialized).digest()


def _deciding_here(solver: SolverParameter) -> set[str]:
    """Fields that decide how a run goes on where others ask for them."""
    fields = set(POLICIES[solver.lr_policy].needs)
    if "poly" in (solver.momentum_policy, solver.weight_decay_policy):
        fields.add("max_iter")
    if solver.lr_policy == "plateau":
        fields |= {"test_interval", "test_iter", "test_initialization"}
    return fields


def make_header(
    solver: SolverParameter, progress: Progress, seed: int, course: bytes
) -> SolverState:
    """The state's fields but for its histories and the weights' name and checksum."""
    header = SolverState(
        iter=progress.iteration,
        current_step=_current_step(solver, progress.iteration),
        type=solver.type,
        random_seed=seed,
        spec_sha256=course,
        kept=progress.kept,
    )
    for test in progress.record:
        header.plateau_record.add(iteration=test.iteration, metric=test.metric)
    if progress.scale:
        header.loss_scale = progress.scale.value
        header.loss_scale_good = progress.scale.good
        header.loss_scale_skipped = progress.scale.skipped
    if progress.best:
        header.best.iteration = progress.best.iteration
        header.best.metric = progress.best.metric
    return header


def _current_step(solver: SolverParameter, iteration: int) -> int:
    """Caffe's count of drops, as it was for the last iteration done."""
    last = max(0, iteration - 1)
    if solver.lr_policy == "step":
        return last // solver.stepsize
    if solver.lr_policy == "multistep":
        return steps_taken(solver.stepvalue, last)
    return 0


def write_snapshot(
    net: Net,
    histories: Sequence[np.ndarray],
    header: SolverState,
    files: SnapshotFiles,
    average: Average | None = None,
) -> None:
    """Write the files; *header* gets their checksums.

    Raises:
        DataError: a file cannot be written.
    """
    if average:
        with average.in_place():
            save_weights(net, files.average)
        header.ema_sha256 = file_digest(files.average)
    save_weights(net, files.weights)
    header.weights_sha256 = file_digest(files.weights)
    write_state(files.state, header, list(in_caffes_order(net, histories)))


def in_caffes_order(net: Net, histories: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """Every parameter's first history, then every parameter's second, shaped."""
    for history in histories:
        for segment in net.arena.segments:
            yield net.ops.download(history[segment.slice]).reshape(segment.shape)


def file_digest(path: Path) -> bytes:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


@dataclass(frozen=True)
class Snapshot:
    """A snapshot that was read and found whole; nothing has taken it up yet.

    Attributes:
        average: the mean weights, where it holds them.
    """

    state: StoredState
    weights: Path
    average: Path | None = None

    @property
    def progress(self) -> Progress:
        """Where the run was."""
        return progress_of(self.state.header)


def progress_of(header: SolverState) -> Progress:
    """Where the run was that a state was written by."""
    record = [Measured(t.iteration, t.metric) for t in header.plateau_record]
    best = Measured(header.best.iteration, header.best.metric)
    return Progress(
        header.iter,
        record,
        best if header.HasField("best") else None,
        list(header.kept),
        _scale_of(header),
    )


def _scale_of(header: SolverState) -> LossScale | None:
    if not header.HasField("loss_scale"):
        return None
    good, skipped = header.loss_scale_good, header.loss_scale_skipped
    return LossScale(header.loss_scale, 0, good, skipped)


def read_snapshot(state_path: Path) -> Snapshot:
    """Read a state and check it and its weights against their checksums.

    Raises:
        DataError: either file is missing, damaged or altered.
    """
    state = read_state(state_path)
    weights = weights_file(state_path, state.header.learned_net)
    digest = state.header.weights_sha256 if state.is_ours else b""
    _check_weights(state_path, weights, digest)
    if not state.header.ema_sha256:
        return Snapshot(state, weights)
    average = average_file(weights)
    _check_weights(state_path, average, state.header.ema_sha256)
    return Snapshot(state, weights, average)


def _check_weights(state_path: Path, weights: Path, digest: bytes) -> None:
    """Refuse weights that are missing, or others than their checksum says, if any."""
    if not weights.exists():
        raise DataError(
            f"the weights that belong to it, {str(weights)!r}, are missing.",
            "Put the .caffemodel beside its .solverstate.",
            place=Place(str(state_path)),
        )
    if digest and _digest_of(weights, state_path) != digest:
        raise DataError(
            f"the weights {str(weights)!r} are not those that it was written with.",
            "They were altered or cut short, or belong to another run.",
            place=Place(str(state_path)),
        )


def _digest_of(weights: Path, state_path: Path) -> bytes:
    try:
        return file_digest(weights)
    except OSError as error:
        raise DataError(
            f"the weights {str(weights)!r} cannot be read: {error.strerror}.",
            "Look at the rights to the file, and at the disk.",
            place=Place(str(state_path)),
        ) from None


def newest_valid(prefix: str) -> tuple[Snapshot | None, list[NetspecError]]:
    """The newest whole snapshot under a prefix, and what was wrong with newer ones.

    That may be the best one, where a run keeps no others or they are damaged.
    """
    wrong: list[NetspecError] = []
    numbered = _first_whole(newest_first(prefix), wrong)
    least = numbered.progress.iteration if numbered else -1
    newer = (path for path in best_states(prefix) if _iteration(path) > least)
    best = _first_whole(newer, wrong)
    return best or numbered, wrong


def _first_whole(paths: Iterable[Path], wrong: list[NetspecError]) -> Snapshot | None:
    for path in paths:
        try:
            return read_snapshot(path)
        except NetspecError as error:
            wrong.append(error.at(Place(str(path))))
    return None


def _iteration(path: Path) -> int:
    """Of a state; what cannot be read might be any."""
    try:
        return read_state(path).header.iter
    except NetspecError:
        return sys.maxsize


def fit_histories(
    snapshot: Snapshot, net: Net, solver: SolverParameter
) -> list[np.ndarray]:
    """The stored histories in the shapes of the net's parameters, in Caffe's order.

    Raises:
        DataError: they belong to another solver type or another net.
    """
    state = snapshot.state
    place = Place(state.file)
    kind = state.header.type
    if kind and kind != solver.type:
        raise DataError(
            f"it was written by solver type {kind!r}; this one is {solver.type!r}.",
            f"Set type: {kind!r}, or start from its weights alone.",
            place=place,
        )
    segments = net.arena.segments
    wanted = RULES[solver.type].histories * len(segments)
    if len(state.histories) != wanted:
        raise DataError(
            f"it holds {len(state.histories)} histories; solver type {solver.type!r} "
            f"keeps {wanted} for the {len(segments)} parameters of this net.",
            "Resume with the solver type and net that wrote it.",
            place=place,
        )
    return [
        _fit(stored, segments[i % len(segments)], place)
        for i, stored in enumerate(state.histories)
    ]


def _fit(stored, segment, place: Place) -> np.ndarray:  # type: ignore[no-untyped-def]
    fitted = fit_history(stored, segment.shape)
    if fitted is None:
        raise DataError(
            f"its history for {segment.name!r} has shape "
            f"{describe(stored.array.shape)}; the parameter has "
            f"{describe(segment.shape)}.",
            "Resume with the net that wrote it.",
            place=place,
        )
    return fitted


def restore_histories(
    net: Net, histories: Sequence[np.ndarray], fitted: Sequence[np.ndarray]
) -> None:
    """Copy fitted histories into the solver's own."""
    segments = net.arena.segments
    for i, values in enumerate(fitted):
        history, segment = histories[i // len(segments)], segments[i % len(segments)]
        net.ops.upload(np.ravel(values), history[segment.slice])
