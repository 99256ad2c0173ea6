"""Snapshots of a small run: what is written, kept, refused, and gone on from."""

from __future__ import annotations

import os

import numpy as np
import pytest

from netspec.errors import DataError, DivergedError
from netspec.proto import NetParameter
from netspec.solver.events import Restored, SnapshotWritten, TestResult, Warned
from netspec.solver.state import read_state

from .small import classifier, make, weights_of

EVERY = "snapshot: 2 test_interval: 3 test_iter: 1 "


def made(folder, settings=EVERY, **options):
    """A solver with dropout, and a list that its events go to."""
    events = []
    net = classifier(16, dropout=True)
    solver = make(folder, settings, net, listeners=[events.append], **options)
    return solver, events


def names(folder):
    return sorted(n for n in os.listdir(folder) if n.startswith("solver_"))


@pytest.mark.smoke
@pytest.mark.parametrize("kind", ["SGD", "Nesterov", "Adam"])
@pytest.mark.parametrize("form", ["BINARYPROTO", "HDF5"])
def test_resuming_gives_the_bits_of_an_unbroken_run(tmp_path, kind, form):
    """With shards, passes, dropout, tests and a schedule under way."""
    settings = (
        f'{EVERY} type: "{kind}" snapshot_format: {form} iter_size: 2 shards: 2 '
        'lr_policy: "multistep" gamma: 0.5 stepvalue: 3 stepvalue: 5 '
    )
    whole, events = made(tmp_path, settings)
    losses = whole.step(7)
    tests = [e.outputs for e in events if isinstance(e, TestResult)]

    broken, events = made(tmp_path, settings)
    state = "solver_iter_4.solverstate" + (".h5" if form == "HDF5" else "")
    assert broken.restore(tmp_path / state)
    assert broken.iteration == 4
    assert broken.step(3) == losses[4:]
    np.testing.assert_array_equal(weights_of(broken), weights_of(whole))
    for a, b in zip(broken.histories, whole.histories, strict=True):
        np.testing.assert_array_equal(a, b)
    assert [e.outputs for e in events if isinstance(e, TestResult)] == tests[-1:]
    assert not [e for e in events if isinstance(e, Warned) and "snapshot" in e.problem]


def test_either_file_will_do(tmp_path):
    solver, _ = made(tmp_path)
    solver.step(2)
    for name in names(tmp_path):
        again, events = made(tmp_path)
        assert again.restore(tmp_path / name)
        assert again.iteration == 2
        assert [e.state for e in events if isinstance(e, Restored)] == [
            str(tmp_path / "solver_iter_2.solverstate")
        ]


def test_snapshots_are_caffes_two_files(tmp_path):
    solver, events = made(tmp_path)
    solver.step(5)
    assert names(tmp_path) == [
        "solver_iter_2.caffemodel",
        "solver_iter_2.solverstate",
        "solver_iter_4.caffemodel",
        "solver_iter_4.solverstate",
    ]
    model = NetParameter.FromString(
        (tmp_path / "solver_iter_4.caffemodel").read_bytes()
    )
    assert [layer.name for layer in model.layer if layer.blobs] == ["conv", "score"]
    assert list(model.layer[2].blobs[0].shape.dim) == [4, 2, 3, 3]
    assert len([e for e in events if isinstance(e, SnapshotWritten)]) == 2


def test_a_caffemodel_holds_the_layers_of_both_phases(tmp_path):
    solver, _ = made(tmp_path)
    solver.step(2)
    model = NetParameter.FromString(
        (tmp_path / "solver_iter_2.caffemodel").read_bytes()
    )
    assert [layer.type for layer in model.layer].count("MemoryData") == 2
    assert "accuracy" in [layer.name for layer in model.layer]


def test_the_last_n_are_kept(tmp_path):
    solver, _ = made(tmp_path, "snapshot: 1 snapshot_keep: 2")
    foreign = tmp_path / "solver_iter_1.caffemodel"
    solver.step(4)
    assert names(tmp_path)[::2] == [
        "solver_iter_3.caffemodel",
        "solver_iter_4.caffemodel",
    ]
    foreign.touch()  # somebody else's since
    again, _ = made(tmp_path, "snapshot: 1 snapshot_keep: 2")
    again.restore("auto")
    again.step(1)
    kept = [n for n in names(tmp_path) if n.endswith("caffemodel")]
    assert kept == [f"solver_iter_{i}.caffemodel" for i in (1, 4, 5)]


def test_one_that_cannot_be_deleted_is_a_warning(tmp_path):
    solver, events = made(tmp_path, "snapshot: 1 snapshot_keep: 1")
    solver.step(1)
    (tmp_path / "solver_iter_1.solverstate").unlink()
    (tmp_path / "solver_iter_1.solverstate").mkdir()
    solver.step(2)
    (warned,) = [e for e in events if isinstance(e, Warned) and "deleted" in e.problem]
    assert "solver_iter_1.solverstate is not deleted: Is a directory" in warned.problem
    assert {"solver_iter_3.caffemodel", "solver_iter_1.caffemodel"} < set(
        names(tmp_path)
    )
    assert "solver_iter_2.caffemodel" not in names(tmp_path)


def test_the_best_is_kept_and_can_be_gone_on_from(tmp_path):
    settings = 'snapshot_best: "loss" test_interval: 1 test_iter: 2 '
    solver, events = made(tmp_path, settings)
    solver.step(6)
    tests = {e.iteration: e.value("loss") for e in events if isinstance(e, TestResult)}
    best = min(tests, key=tests.get)
    written = [e.iteration for e in events if isinstance(e, SnapshotWritten)]
    assert written[-1] == best
    assert all(e.best for e in events if isinstance(e, SnapshotWritten))
    state = read_state(tmp_path / "solver_best.solverstate")
    assert (state.header.iter, state.header.best.metric) == (best, tests[best])
    again, events = made(tmp_path, settings)
    again.restore(tmp_path / "solver_best.caffemodel")
    again.step(1)
    assert [e.value("loss") for e in events if isinstance(e, TestResult)] == [
        tests[best]
    ]


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


@pytest.mark.parametrize("victim", ["caffemodel", "solverstate"])
def test_auto_passes_over_what_is_damaged(tmp_path, victim):
    solver, _ = made(tmp_path)
    solver.step(6)
    damage(tmp_path / f"solver_iter_6.{victim}")
    (tmp_path / "solver_iter_4.caffemodel").unlink()
    again, events = made(tmp_path)
    assert again.restore("auto")
    assert again.iteration == 2
    (restored,) = [e for e in events if isinstance(e, Restored)]
    assert len(restored.passed_over) == 2
    assert "solver_iter_6.solverstate: the " in restored.passed_over[0]
    assert "solver_iter_4.caffemodel', are missing" in restored.passed_over[1]


BEST = 'snapshot_best: "loss" test_interval: 1 test_iter: 2 '


@pytest.mark.parametrize("form", ["BINARYPROTO", "HDF5"])
def test_auto_takes_the_best_where_it_is_the_newest(tmp_path, form):
    """A run that keeps no other would start anew, and write over it."""
    settings = f"{BEST} snapshot_format: {form} "
    solver, events = made(tmp_path, settings)
    solver.step(6)
    best = [e.iteration for e in events if isinstance(e, SnapshotWritten)][-1]
    again, events = made(tmp_path, settings, resume="auto")
    assert again.iteration == best > 0
    assert not next(e for e in events if isinstance(e, Restored)).passed_over
    again.step(6 - best)
    np.testing.assert_array_equal(weights_of(again), weights_of(solver))
    assert made(tmp_path, settings + "snapshot: 1")[0].snapshot()  # of iteration 0
    assert made(tmp_path, settings, resume="auto")[0].iteration == best


@pytest.mark.parametrize("damaged", ["best", "iter_4"])
def test_auto_prefers_what_is_whole(tmp_path, damaged):
    solver, events = made(tmp_path, BEST + "snapshot: 4")
    solver.step(4)
    best = [e.iteration for e in events if isinstance(e, SnapshotWritten) and e.best]
    assert made(tmp_path, BEST, resume="auto")[0].iteration == 4
    damage(tmp_path / f"solver_{damaged}.solverstate")
    again, events = made(tmp_path, BEST, resume="auto")
    assert again.iteration == (4 if damaged == "best" else best[-1])
    (restored,) = [e for e in events if isinstance(e, Restored)]
    assert f"solver_{damaged}.solverstate: " in restored.passed_over[0]


def test_weights_that_cannot_be_read_are_passed_over(tmp_path):
    solver, _ = made(tmp_path)
    solver.step(4)
    (tmp_path / "solver_iter_4.caffemodel").unlink()
    (tmp_path / "solver_iter_4.caffemodel").mkdir()
    again, events = made(tmp_path, resume="auto")
    assert again.iteration == 2
    (restored,) = [e for e in events if isinstance(e, Restored)]
    assert "cannot be read: Is a directory" in restored.passed_over[0]


def test_auto_starts_where_there_is_no_snapshot(tmp_path):
    solver, events = made(tmp_path)
    assert not solver.restore("auto")
    assert solver.iteration == 0
    assert events == []


def test_weights_of_another_run_are_noticed(tmp_path):
    solver, _ = made(tmp_path)
    solver.step(4)
    (tmp_path / "solver_iter_2.caffemodel").replace(
        tmp_path / "solver_iter_4.caffemodel"
    )
    with pytest.raises(DataError, match="are not those that it was written with"):
        made(tmp_path)[0].restore(tmp_path / "solver_iter_4.solverstate")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            'type: "Nesterov"',
            "it was written by solver type 'SGD'; this one is 'Nesterov'",
        ),
        ('type: "Adam"', "it was written by solver type 'SGD'"),
    ],
)
def test_another_solver_type_is_refused(tmp_path, settings, problem):
    made(tmp_path)[0].step(2)
    other, _ = made(tmp_path, settings)
    before = weights_of(other)
    with pytest.raises(DataError, match=problem):
        other.restore(tmp_path / "solver_iter_2.solverstate")
    np.testing.assert_array_equal(weights_of(other), before)


def test_another_net_is_refused(tmp_path):
    made(tmp_path)[0].step(2)
    wider = classifier(16).replace("num_output: 4", "num_output: 5")
    with pytest.raises(DataError) as caught:
        make(tmp_path, "", wider).restore(tmp_path / "solver_iter_2.solverstate")
    assert str(caught.value) == (
        f"{tmp_path}/solver_iter_2.solverstate: its history for 'conv/0' has shape "
        "4x2x3x3; the parameter has 5x2x3x3.\n"
        "  Resume with the net that wrote it."
    )


@pytest.mark.parametrize(
    ("settings", "warns"),
    [
        (EVERY, False),
        (EVERY + "display: 1 snapshot_keep: 9", False),
        (EVERY + "weight_decay: 0.5", True),
        (EVERY + "random_seed: 9", True),
        (EVERY + "larc: true", True),
        (EVERY + 'momentum_policy: "opt"', True),
        (EVERY + 'weight_decay_policy: "poly" max_weight_decay: 0.1', True),
        (EVERY + "max_iter: 7", False),
    ],
)
def test_a_change_of_course_is_a_warning(tmp_path, settings, warns):
    made(tmp_path)[0].step(2)
    again, events = made(tmp_path, settings)
    again.restore(tmp_path / "solver_iter_2.solverstate")
    found = [
        e for e in events if isinstance(e, Warned) and "is not what it was" in e.problem
    ]
    assert bool(found) == warns


@pytest.mark.parametrize(
    ("settings", "change"),
    [
        ('lr_policy: "poly" power: 2 max_iter: 9', "max_iter: 7"),
        ('lr_policy: "cosine" max_iter: 9', "max_iter: 7"),
        ('momentum_policy: "poly" max_iter: 9', "max_iter: 7"),
        ('lr_policy: "plateau" test_iter: 2', "test_iter: 1"),
    ],
)
def test_what_a_policy_reads_is_a_part_of_the_course(tmp_path, settings, change):
    field = change.split()[0]
    before = "snapshot: 2 test_interval: 3 " + settings
    made(tmp_path, before)[0].step(2)
    again, events = made(
        tmp_path, before.replace(before[before.index(field) :], change)
    )
    again.restore("auto")
    assert [
        e for e in events if isinstance(e, Warned) and "not what it was" in e.problem
    ]


def test_weights_that_are_not_finite_are_not_written(tmp_path):
    solver, _ = made(tmp_path)
    solver.step(2)
    before = (tmp_path / "solver_iter_2.caffemodel").read_bytes()
    solver.net.params["score"][1].data[1] = np.inf
    with pytest.raises(
        DivergedError, match="parameter 1 of layer 'score' is not finite"
    ):
        solver.snapshot()
    assert (tmp_path / "solver_iter_2.caffemodel").read_bytes() == before


def test_a_full_disk_is_a_warning_and_the_last_snapshot_stays(tmp_path, monkeypatch):
    solver, events = made(tmp_path)
    solver.step(2)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("netspec.weights.caffemodel.write_pieces", full)
        solver.step(2)
    warned = [e for e in events if isinstance(e, Warned) and "no snapshot" in e.problem]
    assert len(warned) == 1
    assert "No space left on device" in warned[0].problem
    assert "solver_iter_2.solverstate" in warned[0].remedy
    assert names(tmp_path) == ["solver_iter_2.caffemodel", "solver_iter_2.solverstate"]
    solver.step(2)
    assert "solver_iter_6.solverstate" in names(tmp_path)


def test_a_snapshot_at_the_end_unless_it_is_there_or_forbidden(tmp_path):
    for settings, expected in [
        ("max_iter: 3", ["solver_iter_3"]),
        ("max_iter: 3 snapshot: 3", ["solver_iter_3"]),
        ("max_iter: 3 snapshot_after_train: false", []),
    ]:
        folder = tmp_path / str(len(settings))
        folder.mkdir()
        solver, events = made(folder, settings)
        assert solver.solve() == "max_iter"
        assert [n.removesuffix(".caffemodel") for n in names(folder)[::2]] == expected
        written = [e for e in events if isinstance(e, SnapshotWritten)]
        assert len(written) == len(expected)
