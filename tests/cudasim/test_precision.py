"""Precision: what a solver asks for, the loss scale, and steps that are skipped."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.cli.main import main
from netspec.errors import SpecError
from netspec.proto import NetParameter, SolverParameter
from netspec.solver import Solver
from netspec.solver.events import StepSkipped, Warned
from netspec.solver.loss_scale import GREATEST, LossScale, loss_scale_of, precision_of
from netspec.spec import parse_net
from tests.cudasim.training import cuda, make_files, train

__all__ = ["cuda"]


@pytest.mark.parametrize(
    ("solver", "net", "precision", "scale", "window"),
    [
        ("", "", "fp32", 65536, 2000),
        ("precision: TF32", "", "tf32", 65536, 2000),
        ("precision: FP16 loss_scale: 8", "", "fp16", 8, 2000),
        ("", "default_forward_type: FLOAT16", "fp16", 65536, 2000),
        ("", "default_backward_math: FLOAT16 global_grad_scale: 32", "fp16", 32, 2000),
        ("precision: FP32", "default_forward_type: FLOAT16", "fp32", 65536, 2000),
        (
            "loss_scale: 4",
            "global_grad_scale: 32 global_grad_scale_adaptive: false",
            *("fp32", 4, 0),
        ),
        ("", "default_forward_type: FLOAT", "fp32", 65536, 2000),
    ],
)
def test_what_files_ask_for(solver, net, precision, scale, window):
    from google.protobuf import text_format

    asked = text_format.Parse(solver, SolverParameter())
    given = parse_net(net, "net").message if net else NetParameter()
    assert precision_of(asked, given) == precision
    found = loss_scale_of(asked, given)
    assert (found.value, found.window) == (scale, window)


def test_the_scale_halves_at_an_overflow_and_doubles_after_a_window():
    scale = LossScale(8, window=3)
    assert [scale.take(True) for _ in range(3)] == [False, False, True]
    assert (scale.value, scale.good) == (16, 0)
    assert scale.take(False)
    assert (scale.value, scale.good, scale.skipped) == (8, 0, 1)
    scale.take(True)
    scale.take(False)
    assert [scale.take(True) for _ in range(3)] == [False, False, True]
    assert (scale.value, scale.skipped) == (8, 2)


def test_the_scale_stays_between_its_ends_and_where_it_is_told_to():
    assert not LossScale(1, 5).take(False)
    assert not LossScale(GREATEST, 1).take(True)
    fixed = LossScale(4, 0)
    assert not any(fixed.take(True) for _ in range(5))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ("loss_scale: 8", "loss_scale is given, and precision is not FP16"),
        ("precision: FP16 loss_scale: 0.5", "loss_scale is 0.5"),
        ("precision: FP16 loss_scale_window: -1", "loss_scale_window is -1"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, settings, problem):
    with pytest.raises(SpecError, match=problem):
        Solver(make_files(tmp_path, "vgg", settings))


@pytest.mark.parametrize("precision", ["TF32", "FP16"])
def test_a_coarser_precision_trains_alike(cuda, tmp_path, precision):
    exact = train(make_files(tmp_path, "vgg", ""), "cuda")
    coarse = train(make_files(tmp_path, "vgg", f"precision: {precision}"), "cuda")
    np.testing.assert_allclose(coarse.losses, exact.losses, rtol=0.02)
    assert not np.array_equal(coarse.weights, exact.weights)
    scale = np.abs(exact.weights).max()
    np.testing.assert_allclose(coarse.weights, exact.weights, atol=0.02 * scale)


def test_a_scale_alone_changes_nothing_but_rounding(cuda, tmp_path):
    """A power of two, and gradients of float32: the very same bits."""
    runs = [
        train(
            make_files(
                tmp_path,
                "vgg",
                f"precision: FP16 loss_scale: {scale} clip_gradients: 0.5 iter_size: 2",
            ),
            "cuda",
        )
        for scale in (1024, 4096)
    ]
    np.testing.assert_allclose(runs[0].weights, runs[1].weights, atol=2e-4)


def test_a_step_that_overflows_is_skipped_and_told(cuda, tmp_path):
    solver = make_files(tmp_path, "vgg", "precision: FP16 loss_scale: 8")
    with Solver(solver, device="cuda", lean=True) as made:
        made.listeners.append(events := _Events())
        start = made.net.ops.download(made.net.arena.data).copy()
        rule = made.net.ops
        plain, rule.all_finite = rule.all_finite, lambda x: False
        made.step(1)
        np.testing.assert_array_equal(rule.download(made.net.arena.data), start)
        assert not rule.download(made.histories[0]).any()
        assert events == [StepSkipped(0, 4.0, 1)]
        rule.all_finite = plain
        made.step(1)
        assert (rule.download(made.net.arena.data) != start).any()


def test_real_overflow_lowers_the_scale_until_steps_are_made(cuda, tmp_path, capsys):
    """Gradients beyond 65,504 are infinite in half: the scale falls until none is."""
    settings = "precision: FP16 loss_scale: 16777216 max_iter: 8 display: 1"
    solver = make_files(tmp_path, "vgg", settings)
    assert main(["train", "--solver", str(solver), "--gpu", "0"]) == 0
    out = capsys.readouterr().out
    assert "on cuda:0 in FP16" in out
    assert "the gradient overflowed, so its step is skipped (1 so far)" in out
    assert "the loss scale is now 8.38861e+06" in out
    assert "done at iteration 8" in out


def test_a_resumed_run_goes_on_with_its_scale(cuda, tmp_path):
    settings = "precision: FP16 loss_scale: 16777216 loss_scale_window: 3 snapshot: 4"
    solver = make_files(tmp_path, "vgg", settings)
    whole = train(solver, "cuda", 8)
    state = tmp_path / "snap" / "t_iter_4.solverstate"
    resumed = train(solver, "cuda", 4, resume=state)
    np.testing.assert_array_equal(whole.weights, resumed.weights)
    assert _skips(whole)[-1:] == _skips(resumed)[-1:] or not _skips(resumed)
    with Solver(solver, device="cuda", lean=True, resume=state) as made:
        scale = made._progress.scale
        assert scale.window == 3
        assert scale.skipped == len([s for s in _skips(whole) if s.iteration < 4]) > 0
        assert scale.value < 16777216


def test_a_cpu_says_that_it_computes_in_fp32(tmp_path):
    solver = make_files(tmp_path, "vgg", "precision: FP16")
    cpu = train(solver, "cpu", 1)
    (warning,) = (event for event in cpu.events if isinstance(event, Warned))
    assert warning.problem == (
        "precision FP16 is for GPUs; device cpu computes in FP32."
    )
    plain = train(make_files(tmp_path, "vgg", ""), "cpu", 1)
    np.testing.assert_array_equal(cpu.weights, plain.weights)


class _Events(list):
    def __call__(self, event):
        if isinstance(event, StepSkipped):
            self.append(event)


def _skips(trained):
    return [event for event in trained.events if isinstance(event, StepSkipped)]
