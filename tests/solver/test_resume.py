"""What a resumed run does not need, and what it clears away."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from netspec.errors import NetspecError
from netspec.solver.files import remove_leftovers

from .small import classifier, make, weights_of


def test_weights_are_not_looked_for_where_a_snapshot_is_found(tmp_path):
    settings = "snapshot: 2 snapshot_after_train: false "
    first = make(tmp_path, settings)
    first.step(2)
    gone = settings + f'weights: "{tmp_path}/gone.caffemodel" '
    again = make(tmp_path, gone, resume="auto")
    assert again.iteration == 2
    np.testing.assert_array_equal(weights_of(again), weights_of(first))
    with pytest.raises(NetspecError, match=r"gone\.caffemodel"):
        make(tmp_path / "other", gone, resume="auto")


def test_weights_are_read_where_no_snapshot_is_found(tmp_path):
    first = make(tmp_path, "snapshot: 2")
    first.step(2)
    weights = f'weights: "{tmp_path}/solver_iter_2.caffemodel"'
    fresh = make(tmp_path / "fresh", weights, resume="auto")
    assert fresh.iteration == 0
    np.testing.assert_array_equal(weights_of(fresh), weights_of(first))


@pytest.mark.parametrize(
    "name",
    [
        *("n", "n_best", "n_iter_2.preprocess.json"),
        *("n_iter_2.caffemodel", "n_best.solverstate.h5"),
    ],
)
def test_what_killed_processes_left_is_removed(tmp_path, name):
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    dead = int(done.stdout)
    leftover = tmp_path / f"{name}.{dead}.tmp"
    reused = tmp_path / f"{name}.1.tmp"  # its writer's number is another's now
    mine = tmp_path / f"{name}.{os.getpid()}.tmp"
    kept = [
        f"{name}.{os.getppid()}.tmp",  # a living process writes it
        f"other_{name}.{dead}.tmp",
        f"{name}.tmp",
        f"n_iter_x.caffemodel.{dead}.tmp",
        name,
    ]
    for path in (leftover, reused, *(tmp_path / each for each in kept)):
        path.touch()
    mine.mkdir()
    (mine / "n_best.caffemodel").touch()
    os.utime(reused, (1e8, 1e8))  # in 1973, before any process of today
    remove_leftovers(str(tmp_path / "n"))
    assert sorted(os.listdir(tmp_path)) == sorted(kept)


def test_they_go_before_the_first_iteration(tmp_path):
    leftover = tmp_path / f"solver_iter_2.solverstate.{os.getpid()}.tmp"
    leftover.touch()
    solver = make(tmp_path, "snapshot: 9", classifier())
    assert leftover.exists()
    solver.step(1)
    assert not leftover.exists()
