"""The files of a snapshot take their places together, whatever happens meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from netspec.errors import DataError
from netspec.proto import NetParameter
from netspec.solver.events import Warned
from netspec.solver.files import SnapshotFiles
from netspec.solver.snapshot import read_snapshot
from netspec.solver.staging import staged

from .small import classifier, make, weights_of

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
BEST = 'snapshot_best: "loss" test_interval: 1 test_iter: 2 snapshot_after_train: false'


def fail(files: SnapshotFiles, error: BaseException) -> None:
    with staged(files) as here:
        here.weights.write_text("new")
        raise error


def write(files: SnapshotFiles, text: str, state: str | None = None) -> None:
    with staged(files) as here:
        here.weights.write_text(text)
        here.state.write_text(state or text)


def contents(folder: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in folder.iterdir()}


@pytest.mark.parametrize("hdf5", [False, True])
def test_files_take_the_places_of_others(tmp_path, hdf5):
    files = SnapshotFiles.named(str(tmp_path / "new" / "n_best"), hdf5)
    for text in ("first", "second"):
        write(files, text)
        names = (files.weights.name, files.state.name)
        assert contents(files.state.parent) == dict.fromkeys(names, text)


def test_an_error_leaves_all_that_was_there(tmp_path):
    files = SnapshotFiles.named(str(tmp_path / "n_best"), hdf5=False)
    write(files, "old")
    before = contents(tmp_path)
    with pytest.raises(DataError) as caught:
        fail(files, OSError(28, "No space left on device"))
    assert str(caught.value).startswith(f"{files.state}: cannot be written: No space")
    with pytest.raises(KeyboardInterrupt):
        fail(files, KeyboardInterrupt())
    assert contents(tmp_path) == before


def test_what_this_process_left_when_it_was_another_is_in_nobodys_way(tmp_path):
    files = SnapshotFiles.named(str(tmp_path / "n_best"), hdf5=False)
    files.staging.mkdir()
    (files.staging / "n_best.ema.caffemodel").write_text("old")
    write(files, "new")
    assert set(contents(tmp_path)) == {files.weights.name, files.state.name}


def test_links_keep_pointing(tmp_path):
    files = SnapshotFiles.named(str(tmp_path / "n_best"), hdf5=False)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in (files.weights, files.state):
        path.symlink_to(elsewhere / path.name)
    for text in ("first", "second"):
        write(files, text)
    assert files.state.is_symlink()
    assert contents(elsewhere) == dict.fromkeys(contents(elsewhere), "second")
    assert len(contents(elsewhere)) == 2


def full(*_):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("victim", ["weights.caffemodel", "solver.state"])
def test_a_full_disk_leaves_the_best_snapshot_before(tmp_path, monkeypatch, victim):
    """Whether the weights do not fit, or they do and the state does not."""
    events = []
    solver = make(tmp_path, BEST, classifier(16), listeners=[events.append])
    solver.step(1)
    path = tmp_path / "solver_best.solverstate"
    first = read_snapshot(path).progress.iteration
    files = sorted(os.listdir(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(f"netspec.{victim}.write_pieces", full)
        solver.step(4)
    assert [e for e in events if isinstance(e, Warned) and "no snapshot" in e.problem]
    assert read_snapshot(path).progress.iteration == first
    assert sorted(os.listdir(tmp_path)) == files


# Killing ------------------------------------------------------------------------------

KILLS = """
import os, shutil, sys
from pathlib import Path

from tests.solver.small import classifier, make

folder, settings = Path(sys.argv[1]), sys.argv[2]
left = 0  # changes in the folder until the process is killed; 0: it is not
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir"}


def count(event, arguments):
    global left
    if event in CHANGES:
        left -= 1
        if not left:
            os._exit(9)


def train(steps, kill_at):
    global left
    child = os.fork()
    if not child:
        solver = make(folder, settings, classifier(16))
        best = folder / "solver_best.solverstate"
        if best.exists():
            solver.restore(best)
        sys.addaudithook(count)
        left = kill_at
        solver.step(steps)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


train(1, 0)
shutil.copytree(folder, "before")
code, at = 9, 0
while code:
    at += 1
    shutil.rmtree(folder)
    shutil.copytree("before", folder)
    code = train(2, at)
    shutil.copytree(folder, f"killed{at:03d}")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("mean", ["", " ema_decay: 0.5"])
def test_no_kill_leaves_a_state_beside_weights_of_another(tmp_path, mean):
    """At every change in the folder in turn, while the best snapshot is replaced."""
    folder = tmp_path / "snap"
    folder.mkdir()
    command = [sys.executable, "-c", KILLS, str(folder), BEST + mean]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, check=False)
    assert done.returncode == 0
    killed = sorted(tmp_path.glob("killed*"))
    with_state = [path / "solver_best.solverstate" for path in killed]
    with_state = [path for path in with_state if path.exists()]
    found = [read_snapshot(path).progress.iteration for path in with_state]
    assert found[0] == 0
    assert found == sorted(found)
    assert found[-1] > 0
    assert len(found) < len(killed)  # some were killed where there was none
    for path in killed:
        NetParameter.FromString((path / "solver_best.caffemodel").read_bytes())
    check_ends(killed, BEST + mean)


def check_ends(killed: list[Path], settings: str) -> None:
    """Runs that go on come to the same end, and leave nothing behind."""
    ends = []
    for path in killed:
        solver = make(path, settings, classifier(16), resume="auto")
        solver.step(3 - solver.iteration)
        solver.close()
        ends.append(weights_of(solver))
        assert not list(path.glob("*.tmp"))
        assert read_snapshot(path / "solver_best.solverstate")
    for end in ends:
        np.testing.assert_array_equal(end, ends[0])
