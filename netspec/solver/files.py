"""Names of snapshots: where they go, which there are, and which two belong together."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from netspec.data.preprocess_file import SUFFIX, sidecar_path
from netspec.errors import DataError, Place
from netspec.proto import SolverParameter
from netspec.spec import Located

_WEIGHTS, _STATE, _HDF5 = ".caffemodel", ".solverstate", ".h5"
_AVERAGE = ".ema"
_SLACK = 2.0  # seconds by which the clocks of processes and files may differ
_TWIN = {_WEIGHTS: _STATE, _STATE: _WEIGHTS}


@dataclass(frozen=True)
class SnapshotFiles:
    """The two files of one snapshot; a third where ``ema_decay`` is set."""

    weights: Path
    state: Path

    @property
    def average(self) -> Path:
        """The mean weights."""
        return average_file(self.weights)

    @property
    def staging(self) -> Path:
        """Where this process writes them before they take their places."""
        stem = self.state.name.removesuffix(_HDF5).removesuffix(_STATE)
        return self.state.with_name(f"{stem}.{os.getpid()}.tmp")

    @classmethod
    def named(cls, stem: str, hdf5: bool) -> SnapshotFiles:
        """STEM.caffemodel and STEM.solverstate, with ``.h5`` behind for HDF5."""
        end = _HDF5 if hdf5 else ""
        return cls(Path(stem + _WEIGHTS + end), Path(stem + _STATE + end))

    def remove(self) -> None:
        """Delete them, the state first, so that no state is left without weights.

        What says how pictures are prepared goes with the weights.
        """
        self.state.unlink(missing_ok=True)
        for weights in (self.weights, self.average):
            weights.unlink(missing_ok=True)
            sidecar_path(weights).unlink(missing_ok=True)


def prefix_of(solver: Located[SolverParameter]) -> str:
    """What snapshots are called before ``_iter_N``.

    Unset, the solver file's name without its extension; a folder, that folder and the
    same name (Caffe's rule).
    """
    given = solver.message.snapshot_prefix
    own = os.path.splitext(os.path.basename(solver.file))[0] or "snapshot"
    if not given:
        return os.path.join(os.path.dirname(solver.file), own)
    return os.path.join(given, own) if os.path.isdir(given) else given


def numbered(prefix: str, iteration: int, solver: SolverParameter) -> SnapshotFiles:
    """Files of the snapshot after *iteration* iterations."""
    return SnapshotFiles.named(f"{prefix}_iter_{iteration}", _wants_hdf5(solver))


def best(prefix: str, solver: SolverParameter) -> SnapshotFiles:
    """Files of the snapshot that tested best."""
    return SnapshotFiles.named(f"{prefix}_best", _wants_hdf5(solver))


def _wants_hdf5(solver: SolverParameter) -> bool:
    return solver.snapshot_format == SolverParameter.HDF5


def twin(path: str | Path) -> Path:
    """The state beside some weights, or the weights beside a state, by name.

    Raises:
        DataError: the name is of neither.
    """
    path = Path(path)
    end = _HDF5 if path.name.endswith(_HDF5) else ""
    stem = path.name.removesuffix(end)
    for suffix, other in _TWIN.items():
        if stem.endswith(suffix):
            return path.with_name(stem.removesuffix(suffix) + other + end)
    raise DataError(
        "this is the name of neither a .solverstate nor a .caffemodel.",
        "Resume from one of a snapshot's two files, or from auto.",
        place=Place(str(path)),
    )


def average_file(weights: Path) -> Path:
    """The mean weights beside some weights: NAME.ema.caffemodel."""
    stem, suffix, end = weights.name.rpartition(_WEIGHTS)
    return weights.with_name(stem + _AVERAGE + suffix + end)


def state_file(path: str | os.PathLike[str]) -> Path:
    """The solverstate of a snapshot that is given by any of its files."""
    path = Path(path)
    if _STATE in path.name:
        return path
    return twin(path.with_name(path.name.replace(_AVERAGE + _WEIGHTS, _WEIGHTS)))


def weights_file(state: Path, learned_net: str) -> Path:
    """The weights that belong to a state.

    Beside the state, under the name that the state notes or under its own; else where
    the state says, so that a folder of snapshots may be moved.
    """
    named = Path(learned_net) if learned_net else twin(state)
    candidates = (state.with_name(named.name), twin(state), named)
    return next((path for path in candidates if path.exists()), candidates[0])


def newest_first(prefix: str) -> Iterator[Path]:
    """The numbered states under a prefix, the highest iteration first."""
    folder, name = os.path.split(prefix)
    pattern = re.compile(
        rf"{re.escape(name)}_iter_(\d+){re.escape(_STATE)}(?:{re.escape(_HDF5)})?"
    )
    try:
        entries = os.listdir(folder or ".")
    except OSError:  # whether one can be written there is looked at before training
        return
    found = {entry: match for entry in entries if (match := pattern.fullmatch(entry))}
    for entry in sorted(found, key=lambda e: (-int(found[e][1]), e)):
        yield Path(folder) / entry


def best_states(prefix: str) -> list[Path]:
    """The states of the best snapshots under a prefix: as a rule one, or none."""
    both = (SnapshotFiles.named(f"{prefix}_best", hdf5) for hdf5 in (False, True))
    return [files.state for files in both if files.state.exists()]


def check_writable(prefix: str) -> None:
    """Find out before training, not after, that snapshots cannot be written.

    The folder is created where it is missing.

    Raises:
        DataError: it cannot be, or nothing can be written there.
    """
    probe = Path(f"{prefix}.{os.getpid()}.tmp")
    try:
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise DataError(
            f"snapshots cannot be written: {error.strerror}.",
            "Give a snapshot_prefix in a folder that you may write to.",
            place=Place(f"{prefix}_iter_*"),
        ) from None


def check_room(prefix: str, size: int) -> None:
    """Find out likewise that there is no room for a snapshot of *size* bytes.

    Raises:
        DataError: there is not.
    """
    disk = shutil.disk_usage(Path(prefix).parent)
    if disk.free < size and disk.total:  # some file systems know of no size at all
        raise DataError(
            f"snapshots cannot be written: one takes {size:,} bytes, and the disk has "
            f"{disk.free:,} free.",
            "Make room, or give a snapshot_prefix on another disk.",
            place=Place(f"{prefix}_iter_*"),
        )


def remove_leftovers(prefix: str) -> None:
    """Remove what a process that was killed while it wrote a snapshot left behind.

    A file that a living process of this machine writes stays.
    """
    folder, name = os.path.split(prefix)
    pattern = re.compile(
        rf"{re.escape(name)}(?:_(?:iter_\d+|best)"
        rf"(?:(?:(?:{re.escape(_AVERAGE)})?{re.escape(_WEIGHTS)}|{re.escape(_STATE)})"
        rf"(?:{re.escape(_HDF5)})?|{re.escape(SUFFIX)})?)?"
        r"\.(\d+)\.tmp"
    )
    for entry in os.listdir(folder or "."):
        match = pattern.fullmatch(entry)
        path = Path(folder) / entry
        if match and not _is_written(path, int(match[1])):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_written(path: Path, process: int) -> bool:
    """Whether a process other than this one lives, and may be writing a file.

    One that began after the file was last written has only the number of its writer.
    """
    if process == os.getpid() or not _is_alive(process):
        return False
    try:
        return _began(process) <= path.stat().st_mtime + _SLACK
    except (OSError, ValueError):  # no /proc to ask, or gone meanwhile
        return _is_alive(process)


def _began(process: int) -> float:
    """When a process began, in seconds since 1970, as Linux tells it."""
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    boot = re.search(r"^btime (\d+)", Path("/proc/stat").read_text(), re.MULTILINE)
    if not boot:
        raise ValueError("/proc/stat has no btime")
    return int(boot[1]) + int(words[19]) / os.sysconf("SC_CLK_TCK")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
