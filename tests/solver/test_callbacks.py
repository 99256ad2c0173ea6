"""What a caller may hang into an iteration, and the update alone."""

from __future__ import annotations

import numpy as np

from netspec.solver.passes import PlainRunner

from .small import make, weights_of


class Spy:
    """Notes where the weights and gradients stand at each of its calls."""

    def __init__(self, solver):
        self.solver, self.calls = solver, []

    def note(self, what):
        net = self.solver.net
        self.calls.append((what, weights_of(self.solver), net.arena.diff.copy()))

    def on_start(self):
        self.note("start")

    def on_gradients_ready(self):
        self.note("ready")


def test_callbacks_stand_before_the_passes_and_before_the_update(tmp_path):
    solver = make(tmp_path, "iter_size: 2")
    spy = Spy(solver)
    solver.callbacks.append(spy)
    solver.step(2)
    assert [call[0] for call in spy.calls] == ["start", "ready"] * 2
    (_, w0, _), (_, w1, g1), (_, w2, _), (_, w3, g3) = spy.calls
    np.testing.assert_array_equal(w0, w1)
    np.testing.assert_array_equal(w2, w3)
    assert np.abs(w2 - w1).max() > 0
    assert np.abs(g3 - g1).max() > 0


def test_what_a_callback_makes_of_the_gradients_is_what_is_used(tmp_path):
    solver = make(tmp_path, "weight_decay: 0 momentum: 0")
    before = weights_of(solver)

    class Ones:
        def on_start(self): ...

        def on_gradients_ready(self):
            solver.net.arena.diff[...] = 1

    solver.callbacks.append(Ones())
    solver.step(1)
    moved = before - weights_of(solver)
    expected = np.zeros_like(moved)
    for segment in solver.net.arena.segments:
        expected[segment.slice] = 0.03 * segment.param.lr_mult
    np.testing.assert_allclose(moved, expected, rtol=1e-4)


def test_an_update_alone_equals_that_of_an_iteration(tmp_path):
    whole, parts = make(tmp_path), make(tmp_path)
    whole.step(1)
    spy = Spy(parts)
    parts.callbacks.append(spy)
    start = weights_of(parts)
    parts.step(1)
    parts.net.arena.data[...] = start
    for history in parts.histories:
        history[...] = 0
    parts.apply_update()
    assert parts.iteration == 1
    np.testing.assert_array_equal(weights_of(parts), weights_of(whole))


def test_a_runner_of_ones_own_runs_the_steps(tmp_path):
    plain, own = make(tmp_path), make(tmp_path)
    seen = []

    class Stepwise(PlainRunner):
        def forward(self, net):
            for node, run in net.forward_steps:
                self.forward_step(net, node, run)
                seen.append(node.name)
            return net.loss

        def backward(self, net):
            for node, run in net.backward_steps:
                self.backward_step(net, node, run)

    own.passes.runner = Stepwise()
    assert own.step(2) == plain.step(2)
    assert seen == ["data", "conv", "relu", "score", "loss"] * 2
    np.testing.assert_array_equal(weights_of(own), weights_of(plain))
