"""Snapshots on a real file system that is full, or that nobody may write to."""

from __future__ import annotations

import os
import subprocess

import pytest

from netspec.errors import DataError
from netspec.solver.events import SnapshotWritten, Warned
from netspec.solver.snapshot import newest_valid

from .small import make

SIZE = 1 << 17  # bytes of the file system


@pytest.fixture
def disk(tmp_path):
    """A small file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_disk_keeps_the_last_snapshot_and_training_goes_on(disk):
    events = []
    solver = make(disk, "snapshot: 2", listeners=[events.append])
    solver.step(2)
    fill = disk / "fill"
    with pytest.raises(OSError, match="No space"):
        fill.write_bytes(bytes(2 * SIZE))
    solver.step(4)
    warned = [e for e in events if isinstance(e, Warned)]
    assert len(warned) == 2
    for warning in warned:
        assert "no snapshot: cannot be written: No space left" in warning.problem
        assert "The last one is" in warning.remedy
        assert "solver_iter_2.solverstate" in warning.remedy
    snapshot, wrong = newest_valid(str(disk / "solver"))
    assert (snapshot.progress.iteration, wrong) == (2, [])
    assert not [name for name in os.listdir(disk) if name.endswith(".tmp")]
    fill.unlink()
    solver.step(2)
    assert [e.iteration for e in events if isinstance(e, SnapshotWritten)] == [2, 8]


@pytest.mark.parametrize("settings", ["snapshot: 2", "snapshot_after_train: true"])
def test_a_disk_without_room_is_found_out_at_the_start(disk, settings):
    solver = make(disk, settings)
    fill = disk / "fill"
    with pytest.raises(OSError, match="No space"):
        fill.write_bytes(bytes(2 * SIZE))
    with pytest.raises(DataError) as caught:
        solver.solve()
    need = 2 * solver.net.arena.data.nbytes  # weights, and momentum
    assert caught.value.problem == (
        f"snapshots cannot be written: one takes {need:,} bytes, and the disk has "
        "0 free."
    )
    assert solver.iteration == 0
    fill.unlink()
    assert make(disk, settings).solve() == "max_iter"


def test_a_folder_that_is_read_only_is_found_out_at_the_start(disk):
    solver = make(disk, "snapshot: 2")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(DataError, match="cannot be written: Read-only file system"):
        solver.step(1)
    assert solver.iteration == 0


def test_a_folder_that_becomes_read_only_is_a_warning(disk):
    events = []
    solver = make(disk, "snapshot: 2", listeners=[events.append])
    solver.step(2)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    solver.step(2)
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    solver.step(2)
    assert [e.iteration for e in events if isinstance(e, SnapshotWritten)] == [2, 6]
    (warned,) = [e for e in events if isinstance(e, Warned)]
    assert "Read-only file system" in warned.problem
