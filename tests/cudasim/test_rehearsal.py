"""Algorithms that are measured: once, by rank 0, and the same for good."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from netspec.solver import Solver
from netspec.solver.rehearsal import as_lines, of_lines
from netspec.solver.state import read_state
from tests.cudasim.standin import install
from tests.cudasim.training import make_files, train
from tests.sync.threads import on_ranks


@pytest.fixture
def gpus(compiler, tmp_path, monkeypatch):
    """GPUs where the algorithm whose name comes last in the alphabet is quickest."""
    monkeypatch.setenv("NETSPEC_CUDA_MEASURE", "1")
    with install(devices=4) as world:
        from netspec.backends.cuda import device

        store = tmp_path / "choices.json"
        monkeypatch.setattr(device, "store_of", lambda number, kernels: store)
        choice = sys.modules["netspec.backends.cuda.choice"]
        world.asked = []

        def seconds(trial, name):
            world.asked.append(name)
            trial(name)
            return -float(sum(name.encode()) + 1000 * len(world.asked))

        monkeypatch.setattr(choice, "_seconds", seconds)
        yield world


@pytest.fixture
def solver(tmp_path):
    settings = "shards: 4 snapshot: 2 test_interval: 2 max_iter: 4"
    return make_files(tmp_path / "run", "vgg", settings)


def chosen(solver_file, **options):
    with Solver(solver_file, device="cuda", lean=True, **options) as made:
        return made.net.ops.algorithms()


def test_all_is_measured_before_the_first_iteration(gpus, solver):
    with Solver(solver, device="cuda", lean=True) as made:
        ops = made.net.ops
        before = ops.algorithms()
        asked = len(gpus.asked)
        assert asked > len(before) > 6
        assert not ops.measures
        made.step(4)  # with a test, and the smaller batch at its end
        assert len(gpus.asked) == asked
        assert {p: c for p, c in ops.algorithms().items() if p in before} == before


def test_measuring_changes_no_parameter_and_no_statistic(gpus, tmp_path):
    solver = make_files(tmp_path / "run", "batch norm", "")
    measured = train(solver, "cuda", 3)
    np.testing.assert_allclose(
        measured.weights, train(solver, "cpu", 3).weights, atol=1e-4
    )


def test_a_snapshot_holds_the_choices_and_a_resumed_run_keeps_them(
    gpus, solver, monkeypatch
):
    whole = train(solver, "cuda", 4)
    state = solver.parent / "snap" / "t_iter_2.solverstate"
    lines = list(read_state(state).header.algorithm)
    assert lines
    assert as_lines(of_lines(lines)) == lines
    first = dict(of_lines(lines))
    gpus.asked.clear()
    resumed = train(solver, "cuda", 2, resume=state)
    assert not gpus.asked
    np.testing.assert_array_equal(resumed.weights, whole.weights)
    found = chosen(solver, resume=state)
    assert {p: found[p] for p in first} == first


def test_ranks_take_what_rank_0_has_measured(gpus, solver):
    """Each measurement finds another algorithm best, and there is only one."""

    def work(sync):
        with Solver(solver, device=f"cuda:{sync.rank}", lean=True, sync=sync) as made:
            made.step(2)
            return made.net.ops.algorithms(), made.net.ops.download(made.net.arena.data)

    (one, first), (other, second) = on_ranks(2, work)
    both = one.keys() & other.keys()  # one alone has seen the set's last, smaller batch
    assert len(both) > 6
    assert {p: one[p] for p in both} == {p: other[p] for p in both}
    np.testing.assert_array_equal(first, second)


def test_a_cpu_chooses_by_geometry(solver):
    with Solver(solver, lean=True) as made:
        assert made.net.ops.algorithms() == {}
        assert not made.net.ops.measures
        made.step(2)
    state = solver.parent / "snap" / "t_iter_2.solverstate"
    assert not read_state(state).header.algorithm
