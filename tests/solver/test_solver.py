"""What a solver does, and what it tells."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from netspec.errors import DataError, DivergedError, SpecError
from netspec.solver import Solver
from netspec.solver.events import (
    DebugInfo,
    Finished,
    Iteration,
    LastLoss,
    RateDropped,
    SnapshotWritten,
    Started,
    TestResult,
    TestStarted,
    Warned,
)
from netspec.spec import parse_solver

from .small import classifier, make, pictures, weights_of


def made(folder, settings="", net=None, **options):
    events = []
    return make(folder, settings, net, listeners=[events.append], **options), events


def of(kind, events):
    return [e for e in events if isinstance(e, kind)]


def test_step_returns_the_loss_of_each_iteration(tmp_path):
    solver, events = made(tmp_path)
    losses = solver.step(3) + solver.step(2)
    assert len(losses) == solver.iteration == 5
    assert [e.loss for e in of(Iteration, events)] == losses
    assert solver.step(0) == []


def test_it_learns(tmp_path):
    # Labels follow from the pixels: a mean loss well under log 3 = 1.10.
    solver, _ = made(tmp_path, "weight_decay: 0")
    assert np.mean(solver.step(80)[-10:]) < 0.4


def test_the_order_of_events(tmp_path):
    settings = (
        "test_interval: 2 test_iter: 1 display: 2 snapshot: 2 max_iter: 4 "
        "snapshot_after_train: false"
    )
    solver, events = made(tmp_path, settings)
    assert solver.solve() == "max_iter"
    assert [type(e) for e in events] == [
        *(Started, Warned),
        *(TestStarted, TestResult, Iteration, Iteration, SnapshotWritten),
        *(TestStarted, TestResult, Iteration, Iteration, SnapshotWritten),
        *(LastLoss, TestStarted, TestResult, Finished),
    ]
    assert [e.display for e in of(Iteration, events)] == [True, False] * 2
    assert [bool(e.outputs) for e in of(Iteration, events)] == [True, False] * 2
    assert [e.iteration for e in of(TestResult, events)] == [0, 2, 4]


def test_banner_facts(tmp_path):
    net = classifier(32)
    solver, events = made(tmp_path, "iter_size: 3 test_interval: 5", net)
    solver.step(1)
    (facts,) = of(Started, events)
    assert (facts.batch, facts.iter_size, facts.images) == (32, 3, 96)
    assert (facts.shards, facts.shard_reason) == (2, "at least 16 images a shard")
    assert facts.train_size == 23
    assert facts.iterations_per_epoch == 23 / 96
    assert (facts.seed, facts.seed_given) == (0, False)
    assert facts.parameters == 4 * 2 * 9 + 4 + 3 * 4 * 6 + 3
    assert (facts.net, facts.type, facts.test_nets) == ("small", "SGD", 1)


def test_smoothed_loss_is_the_mean_of_the_last_n(tmp_path):
    solver, events = made(tmp_path, "average_loss: 3")
    losses = solver.step(5)
    smoothed = [e.smoothed for e in of(Iteration, events)]
    expected = [np.mean(losses[max(0, i - 2) : i + 1]) for i in range(5)]
    assert smoothed == pytest.approx(expected, rel=1e-12)


def test_runs_are_functions_of_files_and_seed(tmp_path):
    net = classifier(16, dropout=True)
    runs = {}
    for seed in ("", "random_seed: 0", "random_seed: 7"):
        solver, _ = made(tmp_path, seed, net)
        solver.step(3)
        runs[seed] = weights_of(solver)
    np.testing.assert_array_equal(runs[""], runs["random_seed: 0"])
    assert (runs[""] != runs["random_seed: 7"]).any()


# Tests -------------------------------------------------------------------------------


def test_without_test_iter_the_whole_set_is_seen_once(tmp_path):
    """14 records in batches of 6: the last batch has 2, and weighs 2."""
    solver, events = made(tmp_path, "test_interval: 9 test_compute_loss: true")
    solver.step(1)
    (result,) = of(TestResult, events)
    assert (result.images, result.whole_set) == (14, True)
    data, labels = pictures(14, seed=4)
    net = made(tmp_path, "test_interval: 9")[0].test_nets[0]
    every = []
    for picture, label in zip(data, labels, strict=True):
        out = net.forward(data=np.stack([picture] * 6), label=np.repeat(label, 6))
        every.append((float(out["accuracy"]), float(out["loss"])))
    accuracy, loss = np.mean(every, axis=0)
    assert result.value("accuracy") == pytest.approx(accuracy, rel=1e-6)
    assert result.value("loss") == pytest.approx(loss, rel=1e-5)
    assert result.loss == pytest.approx(loss, rel=1e-5)


def test_with_test_iter_tests_go_on_in_the_data(tmp_path):
    """Caffe's way: 14 records, 12 a test, so the second begins at record 12."""
    settings = "test_interval: 1 test_iter: 2 base_lr: 0"
    solver, events = made(tmp_path, settings)
    solver.step(3)
    found = [e.value("loss") for e in of(TestResult, events)]
    again, events = made(tmp_path, settings, tests=_rolled(12))
    again.step(1)
    assert found[1] == of(TestResult, events)[0].value("loss") != found[0]
    warnings = [e.problem for e in of(Warned, events)]
    assert warnings == ["test net 0 sees 12 images a test; its set has 14."]


def _rolled(by):
    data, labels = pictures(14, seed=4)
    return np.roll(data, -by, axis=0), np.roll(labels, -by)


def test_no_test_before_the_first_iteration_where_the_file_says_so(tmp_path):
    settings = "test_interval: 2 test_iter: 2 test_initialization: false base_lr: 0"
    solver, events = made(tmp_path, settings)
    solver.step(3)
    assert [e.iteration for e in of(TestResult, events)] == [2]
    # It is the first test all the same, and begins at record 0.
    other, events2 = made(tmp_path, "test_interval: 9 test_iter: 2 base_lr: 0")
    other.step(1)
    assert of(TestResult, events2)[0].outputs == of(TestResult, events)[0].outputs


def test_test_nets_compute_with_the_training_nets_parameters(tmp_path):
    solver, _ = made(tmp_path, "test_interval: 50")
    solver.step(2)
    ours, theirs = solver.net.params, solver.test_nets[0].params
    assert ours.keys() == theirs.keys()
    for layer, blobs in ours.items():
        for a, b in zip(blobs, theirs[layer], strict=True):
            assert np.shares_memory(a.data, b.data)


def test_a_test_net_without_data_needs_test_iter(tmp_path):
    shape = "input_param { shape { dim: 2 } }"
    inputs = f'layer {{ name: "data" type: "Input" top: "data" {shape} }}'
    text = f'net_param {{ {inputs} }} lr_policy: "fixed" base_lr: 1 test_interval: 1'
    with pytest.raises(SpecError, match="this one has no data layer"):
        Solver(parse_solver(text, "s.prototxt"), device="numpy")


# The end -----------------------------------------------------------------------------


def test_plateau_drops_and_stops(tmp_path):
    """At rate 0 nothing improves: patience 2, one drop, then the end."""
    settings = (
        'lr_policy: "plateau" base_lr: 1e-30 gamma: 0.5 test_interval: 2 '
        "plateau_patience: 2 plateau_drops: 1 max_iter: 99 snapshot_after_train: false"
    )
    solver, events = made(tmp_path, settings)
    assert solver.solve() == "plateau"
    assert solver.iteration == 8
    assert [e.iteration for e in of(TestResult, events)] == [0, 2, 4, 6, 8]
    (drop,) = of(RateDropped, events)
    assert (drop.iteration, drop.drops, drop.best_iteration) == (4, 1, 0)
    rates = [e.rate for e in of(Iteration, events)]
    assert rates == [rates[0]] * 4 + [rates[0] / 2] * 4
    assert of(Finished, events)[-1].reason == "plateau"


def test_plateau_goes_on_from_its_record(tmp_path):
    settings = (
        'lr_policy: "plateau" base_lr: 1e-30 test_interval: 2 plateau_patience: 2 '
        "plateau_drops: 1 max_iter: 99 snapshot: 5 snapshot_after_train: false"
    )
    made(tmp_path, settings)[0].step(5)
    solver, _ = made(tmp_path, settings)
    solver.restore("auto")
    assert solver.rate == pytest.approx(1e-31)
    assert solver.solve() == "plateau"
    assert solver.iteration == 8


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            'plateau_metric: "acuracy" test_interval: 2 ',
            "plateau_metric names 'acuracy', which is no output of a test net.\n"
            "  Did you mean 'accuracy'?",
        ),
        (
            "",
            "lr_policy 'plateau' judges by a test net, and there is none.\n"
            "  Add test_interval, and a net with layers for phase TEST.",
        ),
    ],
)
def test_plateau_needs_a_metric(tmp_path, settings, problem):
    with pytest.raises(SpecError) as caught:
        made(tmp_path, f'lr_policy: "plateau" {settings}')
    assert str(caught.value).endswith(problem)


def test_without_max_iter_there_is_no_end_to_solve(tmp_path):
    text = f'net_param {{ {classifier()} }} base_lr: 1 lr_policy: "fixed"'
    solver = Solver(parse_solver(text, "s.prototxt"), device="numpy")
    with pytest.raises(SpecError, match=r"s.prototxt: the solver has no max_iter"):
        solver.solve()


@pytest.mark.parametrize(
    ("sent", "reason", "snapshots"),
    [
        ("SIGTERM", "signal", [2]),
        ("SIGINT", "signal", [2]),
        ("SIGHUP", "max_iter", [2, 4]),
    ],
)
def test_signals_are_heeded_between_iterations(tmp_path, sent, reason, snapshots):
    solver, events = made(tmp_path, "max_iter: 4")

    def send(event):
        if isinstance(event, Iteration) and event.iteration == 1:
            os.kill(os.getpid(), getattr(signal, sent))

    solver.listeners.append(send)
    assert solver.solve(signals=True) == reason
    assert [e.iteration for e in of(SnapshotWritten, events)] == snapshots


# What goes wrong ---------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_and_names_the_first_bad_blob(tmp_path):
    solver, _ = made(tmp_path, "snapshot: 2")
    solver.step(2)
    before = weights_of(solver)
    solver.net.params["score"][0].data[1, 3] = np.nan
    with pytest.raises(DivergedError) as caught:
        solver.step(2)
    assert str(caught.value) == (
        "the loss of iteration 2 is nan; the first bad value is in parameter 0 of "
        "layer 'score' (InnerProduct).\n"
        "  Lower base_lr, check the scale and the labels of the data and the fillers, "
        "or set clip_gradients. The last good snapshot is "
        f"{tmp_path}/solver_iter_2.solverstate."
    )
    assert solver.iteration == 2
    changed = weights_of(solver) != before
    assert changed.sum() == 1


@pytest.mark.parametrize("lean", [False, True])
def test_bad_data_is_named_as_such(tmp_path, lean):
    data, labels = pictures(23, seed=3)
    data[9, 1, 2, 3] = np.inf
    solver, _ = made(tmp_path, data=(data, labels), lean=lean)
    with pytest.raises(DivergedError, match="is in blob 'data' of layer 'data'"):
        solver.step(3)
    assert solver.iteration == 1


def test_the_largest_softmax_loss_is_explained_once(tmp_path):
    """87.3365 is -log of the smallest float32; training goes on."""
    data, labels = pictures(23, seed=3)
    solver, events = made(tmp_path, "base_lr: 0", data=(data * 0, labels * 0))
    solver.net.params["score"][1].data[...] = [-1000, 0, 0]
    solver.step(2)
    (warned,) = of(Warned, events)
    assert "87.336" in warned.problem
    assert "every true class has probability 0" in warned.problem


def test_a_label_that_is_no_class_is_refused(tmp_path):
    data, labels = pictures(23, seed=3)
    labels = labels.copy()
    labels[10] = 5
    solver, _ = made(tmp_path, data=(data, labels))
    with pytest.raises(DataError) as caught:
        solver.step(3)
    assert "label 5 in row 2 of the batch is outside 0 to 2" in str(caught.value)
    assert f" It is {solver.feeds.describe(10)}.\n" in str(caught.value)


def test_arrays_that_nobody_set_are_asked_for(tmp_path):
    text = f'net_param {{ {classifier()} }} base_lr: 1 lr_policy: "fixed"'
    for interval in ("", "test_interval: 1"):
        solver = Solver(parse_solver(text + interval, "s.prototxt"), device="numpy")
        with pytest.raises(DataError, match=r"layer 'data' .*: has no arrays yet"):
            solver.step(1)


def test_snapshots_that_cannot_be_are_found_before_training(tmp_path):
    (tmp_path / "file").touch()
    prefix = f'snapshot_prefix: "{tmp_path}/file/x" snapshot: 4'
    solver, events = made(tmp_path, prefix)
    with pytest.raises(DataError, match="snapshots cannot be written"):
        solver.step(1)
    assert not of(Iteration, events)


# Other ways to be fed ----------------------------------------------------------------


def test_a_net_with_inputs_takes_what_the_program_set(tmp_path):
    """pycaffe's way: fill solver.net.blobs, then step."""
    inputs = """
      layer { name: "in" type: "Input" top: "data" top: "label"
        input_param { shape { dim: 8 dim: 2 dim: 5 dim: 4 } shape { dim: 8 } } }
    """
    net = (
        inputs
        + classifier().split("memory_data_param { batch_size: 6", 1)[1].split("}", 2)[2]
    )
    solver = make(tmp_path, "", net)
    data, labels = pictures(8, seed=3)
    solver.net.blobs["data"].data[...] = data
    solver.net.blobs["label"].data[...] = labels
    other = make(tmp_path, "", data=(data, labels))
    np.testing.assert_allclose(solver.step(4), other.step(4), rtol=1e-6)


def test_weights_are_loaded_at_the_start(tmp_path):
    first = make(tmp_path)
    first.step(2)
    files = first.snapshot()
    by_argument = make(tmp_path, weights=files.weights)
    by_field = make(tmp_path, f'weights: "{files.weights}"')
    for solver in (by_argument, by_field):
        np.testing.assert_array_equal(weights_of(solver), weights_of(first))
        assert solver.iteration == 0


def test_debug_info_tells_of_every_array(tmp_path):
    solver, events = made(tmp_path, "debug_info: true")
    plain = make(tmp_path)
    assert solver.step(2) == plain.step(2)
    np.testing.assert_array_equal(weights_of(solver), weights_of(plain))
    first = [e for e in of(DebugInfo, events) if e.iteration == 0]
    told = {(e.pass_, e.layer, e.what, e.name, e.kind) for e in first}
    for expected in [
        ("Forward", "data", "top blob", "data", "data"),
        ("Forward", "conv", "param blob", "1", "data"),
        ("Backward", "score", "bottom blob", "conv", "diff"),
        ("Backward", "conv", "param blob", "0", "diff"),
        ("Update", "score", "param", "0", "data"),
        ("Update", "score", "param", "0", "diff"),
    ]:
        assert expected in told
    data = pictures(23, seed=3)[0][:8]
    (mean,) = [e.mean_abs for e in first if e.name == e.layer == "data"]
    assert mean == pytest.approx(float(np.abs(data).mean()), rel=1e-6)


def test_the_last_line_leaves_running_statistics_alone(tmp_path):
    """The loss shown at the end takes a forward pass that is no part of training."""
    norm = 'layer { name: "bn" type: "BatchNorm" bottom: "data" top: "data" }'
    found = []
    for display in (0, 1):
        net = classifier().replace(
            'layer {\n    name: "conv"', f'{norm} layer {{\n    name: "conv"'
        )
        solver, events = made(tmp_path, f"max_iter: 2 display: {display}", net)
        solver.solve()
        assert len(of(LastLoss, events)) == display
        found.append(weights_of(solver))
    np.testing.assert_array_equal(*found)


def test_lean_training_gives_the_same(tmp_path):
    net = classifier(16, dropout=True)
    plain, lean = made(tmp_path, "", net)[0], made(tmp_path, "", net, lean=True)[0]
    assert plain.step(3) == lean.step(3)
    np.testing.assert_array_equal(weights_of(plain), weights_of(lean))


def test_recomputing_gives_the_same(tmp_path):
    net = classifier(16, dropout=True)
    plain = made(tmp_path, "", net, lean=True)[0]
    again = made(tmp_path, "", net, lean=True, recompute=True)[0]
    assert again.net.recompute
    assert plain.step(3) == again.step(3)
    np.testing.assert_array_equal(weights_of(plain), weights_of(again))
