"""The mean of the weights: its values, who computes with it, and its snapshots."""

from __future__ import annotations

import os

import numpy as np
import pytest

from netspec import Net
from netspec.errors import DataError
from netspec.solver.events import Restored, TestResult, Warned
from netspec.solver.files import remove_leftovers
from netspec.sync import Local
from tests.sync.threads import on_ranks

from .small import classifier, make, weights_of

MEAN = "ema_decay: 0.75 snapshot_after_train: false "
EVERY = MEAN + "snapshot: 2 test_interval: 3 test_iter: 1 "


def made(folder, settings=EVERY, **options):
    events = []
    net = classifier(16, dropout=True)
    solver = make(folder, settings, net, listeners=[events.append], **options)
    return solver, events


def outputs_of(events):
    return [e.outputs for e in events if isinstance(e, TestResult)]


@pytest.mark.smoke
@pytest.mark.parametrize("device", ["numpy", "cpu"])
def test_it_is_the_naive_average(tmp_path, device):
    solver, _ = made(tmp_path, MEAN, device=device)
    mean = weights_of(solver).astype(float)
    for _ in range(5):
        solver.step(1)
        mean = 0.75 * mean + 0.25 * weights_of(solver)
    # Five roundings to float32 of numbers below 1.
    np.testing.assert_allclose(solver.average.values, mean, rtol=0, atol=5e-7)
    assert np.abs(mean - weights_of(solver)).max() > 1e-3


def test_training_is_as_without_it(tmp_path):
    solver, _ = made(tmp_path, MEAN)
    plain, _ = made(tmp_path, "snapshot_after_train: false ")
    assert plain.average is None
    assert solver.step(4) == plain.step(4)
    np.testing.assert_array_equal(weights_of(solver), weights_of(plain))


def test_it_starts_anew_from_weights_that_are_loaded(tmp_path):
    other, _ = made(tmp_path, f'random_seed: 5 snapshot_prefix: "{tmp_path}/o" ')
    start, weights = other.snapshot().weights, weights_of(other)
    solver, _ = made(tmp_path, MEAN)
    solver.step(2)
    solver.load(start)
    solver.step(1)
    expected = 0.75 * weights.astype(float) + 0.25 * weights_of(solver)
    np.testing.assert_allclose(solver.average.values, expected, rtol=0, atol=3e-7)


def test_an_update_alone_counts(tmp_path):
    solver, _ = made(tmp_path, MEAN)
    before = weights_of(solver)
    solver.net.arena.diff[:] = 0.5
    solver.apply_update()
    expected = 0.75 * before.astype(float) + 0.25 * weights_of(solver)
    np.testing.assert_allclose(solver.average.values, expected, rtol=0, atol=3e-7)
    assert (before != weights_of(solver)).any()


def test_test_nets_compute_with_it(tmp_path):
    solver, _ = made(tmp_path, MEAN + "test_interval: 100 ")
    solver.step(4)
    weights, mean = weights_of(solver), solver.average.values.copy()
    (found,) = solver.test()
    np.testing.assert_array_equal(weights_of(solver), weights)
    np.testing.assert_array_equal(solver.average.values, mean)
    plain, _ = made(tmp_path, "test_interval: 100 ")
    results = []
    for values in (mean, weights):
        plain.net.arena.data[:] = values
        results.append(plain.test()[0].outputs)
    assert found.outputs == results[0] != results[1]


def test_before_the_first_update_it_is_the_weights(tmp_path):
    settings = "test_iter: 1 test_interval: 100 "
    solver, _ = made(tmp_path, MEAN + settings)
    plain, _ = made(tmp_path, settings)
    assert solver.test()[0].outputs == plain.test()[0].outputs


@pytest.mark.parametrize("end", ["", ".h5"])
def test_resuming_gives_the_bits_of_an_unbroken_run(tmp_path, end):
    settings = EVERY + 'type: "AdamW" lr_policy: "cosine" warmup_iter: 3 shards: 2 '
    settings += "snapshot_format: HDF5 " if end else ""
    whole, events = made(tmp_path, settings)
    losses, tests = whole.step(7), outputs_of(events)
    broken, events = made(tmp_path, settings)
    assert broken.restore(tmp_path / f"solver_iter_4.ema.caffemodel{end}")
    assert broken.iteration == 4
    assert broken.step(3) == losses[4:]
    np.testing.assert_array_equal(weights_of(broken), weights_of(whole))
    np.testing.assert_array_equal(broken.average.values, whole.average.values)
    assert outputs_of(events) == tests[-1:]
    assert not [e for e in events if isinstance(e, Warned) and "mean" in e.problem]


def test_the_file_of_a_snapshot_is_a_net_with_the_mean(tmp_path):
    solver, _ = made(tmp_path)
    solver.step(2)
    net = Net(solver.net.spec, phase="train", device="numpy")
    net.load(tmp_path / "solver_iter_2.ema.caffemodel")
    for segment in solver.net.arena.segments:
        blob = net.params[segment.layer][segment.index].data
        mean = solver.average.values[segment.slice].reshape(segment.shape)
        np.testing.assert_array_equal(blob, mean)


def test_it_goes_with_its_snapshot(tmp_path):
    solver, _ = made(tmp_path, MEAN + "snapshot: 1 snapshot_keep: 1 ")
    solver.step(3)
    found = sorted(n for n in os.listdir(tmp_path) if n.startswith("solver_"))
    assert found == [
        f"solver_iter_3.{end}"
        for end in ("caffemodel", "ema.caffemodel", "solverstate")
    ]


@pytest.mark.parametrize("damage", ["altered", "missing"])
def test_a_snapshot_whose_mean_is_not_whole_is_refused(tmp_path, damage):
    made(tmp_path)[0].step(4)
    file = tmp_path / "solver_iter_4.ema.caffemodel"
    if damage == "altered":
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0x10
        file.write_bytes(content)
    else:
        file.unlink()
    problem = "are not those" if damage == "altered" else "are missing"
    with pytest.raises(DataError, match=rf"ema\.caffemodel',? {problem}"):
        made(tmp_path)[0].restore(tmp_path / "solver_iter_4.solverstate")
    again, events = made(tmp_path)
    assert again.restore("auto")
    assert again.iteration == 2
    (restored,) = [e for e in events if isinstance(e, Restored)]
    assert "solver_iter_4.ema.caffemodel'" in restored.passed_over[0]


def test_a_snapshot_without_it_starts_it_with_a_warning(tmp_path):
    made(tmp_path, "snapshot: 2 ")[0].step(2)
    solver, events = made(tmp_path)
    solver.restore(tmp_path / "solver_iter_2.solverstate")
    (warned,) = [e for e in events if isinstance(e, Warned) and "mean" in e.problem]
    assert warned.problem == (
        f"{tmp_path}/solver_iter_2.solverstate comes without mean weights, which "
        "ema_decay asks for."
    )
    before = weights_of(solver)
    np.testing.assert_array_equal(solver.average.values, before)


def test_a_run_without_it_takes_up_a_snapshot_with_it(tmp_path):
    made(tmp_path)[0].step(2)
    plain, _ = made(tmp_path, "snapshot: 2 ")
    assert plain.restore("auto")
    assert plain.average is None


def test_it_is_the_same_on_every_number_of_ranks(tmp_path):
    settings = EVERY + 'shards: 4 iter_size: 2 type: "LARS" '

    def work(sync):
        solver, events = made(tmp_path, settings, sync=sync)
        solver.step(4)
        again, _ = made(tmp_path, settings, sync=sync)
        again.restore("auto")
        return solver.average.values.copy(), outputs_of(events), again.average.values

    values, tests, restored = work(Local())
    np.testing.assert_array_equal(restored, values)
    for other, others_tests, others_restored in on_ranks(2, work):
        np.testing.assert_array_equal(other, values)
        np.testing.assert_array_equal(others_restored, values)
        assert others_tests in (tests, [])


def test_what_a_killed_process_left_of_it_is_removed(tmp_path):
    for end in ("", ".h5"):
        name = f"n_iter_2.ema.caffemodel{end}.{os.getpid()}.tmp"
        (tmp_path / name).touch()
    (tmp_path / "n_iter_2.ema.solverstate.1.tmp").touch()
    remove_leftovers(str(tmp_path / "n"))
    assert os.listdir(tmp_path) == ["n_iter_2.ema.solverstate.1.tmp"]
