"""When snapshots are written, which are deleted, and how a run goes on from one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from typing import Any

from netspec.data.preprocess_file import write_sidecar
from netspec.data.preprocess_net import preprocess_of_net
from netspec.errors import DataError, NetspecError
from netspec.net import Net
from netspec.proto import SolverParameter, SolverState
from netspec.solver.average import Average
from netspec.solver.events import Event, Restored, SnapshotWritten, Warned
from netspec.solver.files import (
    SnapshotFiles,
    best,
    check_room,
    check_writable,
    numbered,
    prefix_of,
    remove_leftovers,
    state_file,
)
from netspec.solver.health import bad_weights
from netspec.solver.rehearsal import as_lines, of_lines, rehearse
from netspec.solver.snapshot import (
    Progress,
    Snapshot,
    course_digest,
    fit_histories,
    make_header,
    newest_valid,
    progress_of,
    read_snapshot,
    restore_histories,
    write_snapshot,
)
from netspec.solver.staging import staged
from netspec.spec import Located, filter_net
from netspec.sync import Synchronizer, share_bytes
from netspec.weights import Status


class Keeper:
    """Writes and takes up the snapshots of one run.

    Args:
        histories: the solver's own arrays.
        progress: the solver's own; :meth:`restore` sets it.
        seed: the seed in use.
        emit: told what happens.
        sync: the other ranks: rank 0 writes and reads for all.
        gather: has the histories complete; called by all ranks.
        average: the solver's own mean of the weights, if it keeps one.
    """

    def __init__(
        self,
        solver: Located[SolverParameter],
        net: Net,
        histories: Sequence[Any],
        progress: Progress,
        seed: int,
        emit: Callable[[Event], None],
        sync: Synchronizer,
        gather: Callable[[], None],
        average: Average | None = None,
    ) -> None:
        self.prefix = prefix_of(solver)
        self.last: SnapshotFiles | None = None
        self._last_at = -1
        self._message, self._net, self._seed = solver.message, net, seed
        self._histories, self._progress, self._emit = histories, progress, emit
        self._sync, self._gather, self._average = sync, gather, average
        filtered = filter_net(net.spec, *net.state)
        self._course = course_digest(filtered.message, solver.message)
        self._preprocess = preprocess_of_net(net.spec, net.state, net.graph.blobs)

    # Writing -------------------------------------------------------------------------

    def write(self) -> SnapshotFiles:
        """Write PREFIX_iter_N, then delete what ``snapshot_keep`` does not keep.

        Ranks beyond 0 write nothing.

        Raises:
            DataError: a file cannot be written; earlier snapshots are as they were.
            DivergedError: the weights are not finite.
        """
        self._gather()
        now = self._progress.iteration
        kept = [i for i in self._progress.kept if i < now] + [now]
        keep = self._message.snapshot_keep or len(kept)
        files = numbered(self.prefix, now, self._message)
        if self._sync.rank:
            return files
        self._write(files, kept[-keep:])
        self._progress.kept = kept[-keep:]
        self.last, self._last_at = files, now
        self._emit(SnapshotWritten(now, str(files.weights), str(files.state)))
        for iteration in kept[:-keep]:
            self._remove(numbered(self.prefix, iteration, self._message))
        return files

    def _remove(self, files: SnapshotFiles) -> None:
        try:
            files.remove()
        except OSError as error:
            self._emit(
                Warned(
                    f"{files.state} is not deleted: {error.strerror}.",
                    "It is kept for good; delete it yourself.",
                )
            )

    def write_if_due(self) -> None:
        """Write where ``snapshot`` says so; on failure warn, and try the next time."""
        every = self._message.snapshot
        if every and self._progress.iteration % every == 0:
            self.attempt(self.write)

    def write_after_training(self) -> None:
        """Write the last snapshot, unless the file forbids it or it is there."""
        wanted = self._message.snapshot_after_train
        if wanted and self._last_at != self._progress.iteration:
            self.write()

    def prepare(self) -> None:
        """Before the first iteration: see that snapshots can be written, and clean up.

        Raises:
            DataError: they cannot.
        """
        if self._sync.rank:
            return
        check_writable(self.prefix)
        remove_leftovers(self.prefix)
        arrays = [self._net.arena.data, *self._histories]
        arrays += [self._average.values] if self._average else []
        check_room(self.prefix, sum(array.nbytes for array in arrays))

    def write_best(self) -> None:
        """Write PREFIX_best in place of the one before it; raises as :meth:`write`."""
        self._gather()
        files, now = best(self.prefix, self._message), self._progress.iteration
        if self._sync.rank:
            return
        self._write(files, self._progress.kept)
        self._emit(SnapshotWritten(now, str(files.weights), str(files.state), True))

    def attempt(self, write: Callable[[], Any]) -> None:
        """Write; a file that cannot be written is a warning, and training goes on."""
        try:
            write()
        except DataError as error:
            before = f" The last one is {self.last.state}." if self.last else ""
            self._emit(Warned(f"no snapshot: {error.problem}", error.remedy + before))

    def _write(self, files: SnapshotFiles, kept: list[int]) -> None:
        bad = bad_weights(self._net, self._progress.iteration)
        if bad:
            raise bad
        header = self._header()
        header.kept[:] = kept
        header.learned_net = str(files.weights)
        with staged(files) as here:
            write_snapshot(self._net, self._histories, header, here, self._average)
            self._write_sidecars(here)

    def _write_sidecars(self, files: SnapshotFiles) -> None:
        if self._preprocess:
            write_sidecar(files.weights, self._preprocess)
            if self._average:
                write_sidecar(files.average, self._preprocess)

    def _header(self) -> SolverState:
        header = make_header(self._message, self._progress, self._seed, self._course)
        header.algorithm[:] = as_lines(self._net.ops.algorithms())
        return header

    # Reading -------------------------------------------------------------------------

    def restore(self, path: str | PathLike[str]) -> bool:
        """See :meth:`netspec.solver.Solver.restore`."""
        found = False if self._sync.rank else self._restore(path)
        return self._share(found) if self._sync.size > 1 else found

    def _restore(self, path: str | PathLike[str]) -> bool:
        if os.fspath(path) != "auto":
            self._take_up(read_snapshot(state_file(path)), [])
            return True
        snapshot, wrong = newest_valid(self.prefix)
        if snapshot:
            self._take_up(snapshot, wrong)
            return True
        for error in wrong:
            self._emit(Warned(f"a snapshot is passed over: {error}"))
        return False

    def _share(self, found: bool) -> bool:
        """Give all ranks what rank 0 has restored."""
        header = SolverState()
        if found:
            header = self._header()
        header.ParseFromString(share_bytes(self._sync, header.SerializeToString()))
        if not header.HasField("iter"):
            return False
        self._progress.become(progress_of(header))
        self._fix(header)
        for array in (self._net.arena.data, *self._histories):
            self._sync.broadcast(array)
        if self._average:
            self._average.begin()
            self._sync.broadcast(self._average.values)
        return True

    def _fix(self, header: SolverState) -> None:
        """Go on with the algorithms that a run was begun with."""
        if header.algorithm:
            self._net.ops.fix_algorithms(of_lines(header.algorithm))

    def settle_algorithms(self, nets: Iterable[Net]) -> None:
        """Have the algorithms of all ranks chosen, unless a snapshot has done so."""
        ops = self._net.ops
        if not ops.measures:
            return
        if self._sync.rank == 0:
            rehearse(nets)
        chosen = "\n".join(as_lines(ops.algorithms()))
        if self._sync.size > 1:
            chosen = share_bytes(self._sync, chosen.encode()).decode()
        ops.fix_algorithms(of_lines(chosen.splitlines()))

    def share_weights(self) -> None:
        """Give all ranks rank 0's weights, whatever files they have read."""
        if self._sync.size > 1:
            self._sync.broadcast(self._net.arena.data)

    def _take_up(self, snapshot: Snapshot, wrong: list[NetspecError]) -> None:
        fitted = fit_histories(snapshot, self._net, self._message)
        if self._average and snapshot.average:
            self._average.load(snapshot.average)
        report = self._net.load(snapshot.weights)
        restore_histories(self._net, self._histories, fitted)
        self._progress.become(snapshot.progress)
        self._fix(snapshot.state.header)
        self.last, self._last_at = None, -1
        self._emit(
            Restored(
                self._progress.iteration,
                snapshot.state.file,
                str(snapshot.weights),
                tuple(map(str, wrong)),
            )
        )
        if self._average and not snapshot.average:
            self._average.restart()
            self._warn_no_average(snapshot)
        self._warn_missing(report.layers(Status.MISSING), snapshot)
        self._warn_other_course(snapshot)

    def _warn_no_average(self, snapshot: Snapshot) -> None:
        self._emit(
            Warned(
                f"{snapshot.state.file} comes without mean weights, which ema_decay "
                "asks for.",
                "The mean starts from its weights.",
            )
        )

    def _warn_missing(self, layers: list[str], snapshot: Snapshot) -> None:
        if layers:
            self._emit(
                Warned(
                    f"{snapshot.weights} holds no weights for {', '.join(layers)}.",
                    "They stay as their fillers made them.",
                )
            )

    def _warn_other_course(self, snapshot: Snapshot) -> None:
        header = snapshot.state.header
        if snapshot.state.is_ours and header.spec_sha256 != self._course:
            self._emit(
                Warned(
                    "the net or the solver is not what it was when the snapshot was "
                    "written.",
                    "Training goes on, but not as it would have without interruption.",
                )
            )
