"""NVIDIA's policies of momentum and weight decay, and its LARC, against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from netspec.backends.reference.update import UpdateOps
from netspec.errors import SpecError
from netspec.proto import SolverParameter
from netspec.solver.check import check_solver
from netspec.solver.updates import Update, needs_whole
from netspec.solver.varying import momentum, settings_at, weight_decay
from netspec.spec import parse_solver
from tests.solver.test_updates import arena

POLY = {
    "momentum": 0.5, "momentum_policy": "poly", "max_momentum": 0.875,
    "momentum_power": 2, "max_iter": 8, "weight_decay": 0.25,
    "weight_decay_policy": "poly", "max_weight_decay": 1, "weight_decay_power": 0.5,
}  # fmt: skip


@pytest.mark.parametrize("t", [0, 3, 8, 11])
def test_poly(t):
    solver, done = SolverParameter(**POLY), min(1, t / 8)
    assert momentum(solver, t, 0.1) == pytest.approx(0.5 + 0.375 * done**2)
    assert weight_decay(solver, t) == pytest.approx(0.25 + 0.75 * math.sqrt(done))


def test_opt_follows_the_rate():
    solver = SolverParameter(momentum_policy="opt", momentum=0.1)
    assert momentum(solver, 5, 0.16) == pytest.approx(0.64)
    solver.max_momentum = 0.5
    assert momentum(solver, 5, 0.16) == 0.5


def test_what_does_not_vary_is_the_solver_itself():
    solver = SolverParameter(momentum=0.9)
    assert settings_at(solver, 3, 0.1) is solver
    varied = SolverParameter(type="Nesterov", iter_size=3, **POLY)
    varied.net_param.name = "large"
    found = settings_at(varied, 3, 0.1)
    assert (found.type, found.iter_size) == ("Nesterov", 3)
    assert not found.HasField("net_param")
    assert varied.momentum == 0.5


def run(steps, **fields):
    """Weights after some SGD steps, and what they started from."""
    a = arena(lr_mult=(1.5, 0.7))
    solver = SolverParameter(iter_size=2, **fields)
    history, start = a.data * 0, a.data.copy()
    gradients = np.random.default_rng(7).standard_normal((steps, a.diff.size))
    for t, g in enumerate(gradients):
        a.diff[:] = g
        Update(UpdateOps(), a, [history], solver, t, rate=0.01 / (1 + t)).whole()
    return a, start, gradients


def test_sgd_with_both_policies():
    a, w, gradients = run(6, **POLY)
    v = 0 * w
    for t, g in enumerate(gradients):
        m, d = 0.5 + 0.375 * (t / 8) ** 2, 0.25 + 0.75 * math.sqrt(t / 8)
        for s in a.segments:
            at = s.slice
            whole = g[at] / 2 + d * s.decay_mult * w[at]
            v[at] = m * v[at] + 0.01 / (1 + t) * s.lr_mult * whole
            w[at] -= v[at]
    np.testing.assert_allclose(a.data, w, rtol=1e-7)


@pytest.mark.parametrize("policy", ["scale", "clip"])
def test_larc(policy):
    fields = {"momentum": 0.75, "weight_decay": 0.5, "larc": True}
    fields["larc_eta"] = 0.0078125
    a, w, gradients = run(5, larc_policy=policy, **fields)
    v, clipped = 0 * w, set()
    for t, g in enumerate(gradients):
        for s in a.segments:
            at, rate = s.slice, 0.01 / (1 + t)
            slope = g[at] / 2
            own = 0.25 * 0.0078125 * np.linalg.norm(w[at]) / np.linalg.norm(slope)
            clipped.add(bool(own < rate))
            local = rate * own if policy == "scale" else min(rate, own)
            v[at] = 0.75 * v[at] + local * (slope + 0.5 * s.decay_mult * w[at])
            w[at] -= v[at]
    np.testing.assert_allclose(a.data, w, rtol=1e-12)
    assert clipped == {True, False}


def test_larc_takes_momentum_as_it_is_then():
    fields = {**POLY, "larc": True, "larc_eta": 0.0625, "weight_decay_policy": "fixed"}
    a, w, gradients = run(1, **fields)
    for s in a.segments:
        at = s.slice
        slope = gradients[0][at] / 2
        own = 0.5 * 0.0625 * np.linalg.norm(w[at]) / np.linalg.norm(slope)
        whole = slope + 0.25 * s.decay_mult * w[at]
        np.testing.assert_allclose(a.data[at], w[at] - 0.01 * own * whole, rtol=1e-12)


def test_what_is_frozen_stays_and_weights_of_0_take_the_rate():
    for policy in ("scale", "clip"):
        a = arena(lr_mult=(0.5, 0.0))
        a.data[:3] = 0
        start = a.data.copy()
        solver = SolverParameter(larc=True, larc_policy=policy)
        Update(UpdateOps(), a, [a.data * 0], solver, 0, rate=0.125).whole()
        np.testing.assert_allclose(a.data[:3], -0.125 * a.diff[:3])
        np.testing.assert_array_equal(a.data[5:], start[5:])
    assert needs_whole(solver)


GOOD = 'net: "n"\nbase_lr: 0.1 lr_policy: "fixed" max_iter: 9\n'


@pytest.mark.parametrize(("text", "problem"), [
    ('momentum_policy: "polly"', "unknown momentum_policy 'polly'."),
    ('larc: true larc_policy: "clamp"', "unknown larc_policy 'clamp'."),
    ("max_momentum: 0.9", "max_momentum acts with momentum_policy: poly or "),
    ("larc_eta: 0.1", "larc_eta acts with larc: true."),
    ('larc: true type: "Adam"', "solver type 'Adam' has no larc"),
    ('larc: true type: "LARS"', "solver type 'LARS' has no larc"),
    ('momentum_policy: "opt" type: "Adam"', "solver type 'Adam' has no larc"),
    ('weight_decay_policy: "poly" max_iter: 0', "follow from max_iter"),
    ("larc: true larc_eta: 0", "larc_eta is 0."),
])  # fmt: skip
def test_faults(text, problem):
    text = (GOOD.replace("max_iter: 9", "") if "max_iter" in text else GOOD) + text
    with pytest.raises(SpecError) as raised:
        check_solver(parse_solver(text, "s"))
    assert problem in raised.value.problem
    assert raised.value.remedy


@pytest.mark.parametrize("text", [
    'momentum_policy: "poly" max_momentum: 0.95 momentum_power: 2 momentum: 0.9',
    'larc: true larc_policy: "clip" larc_eta: 0.002 type: "Nesterov"',
    'weight_decay_policy: "poly" max_weight_decay: 0.01 type: "LARS"',
])  # fmt: skip
def test_good_files(text):
    check_solver(parse_solver(GOOD + text, "s"))
