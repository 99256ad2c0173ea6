from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from netspec.backends.numpy_ops import NumpyOps
from netspec.errors import SpecError
from netspec.proto import SolverParameter
from netspec.solver.updates import (
    RULES,
    Update,
    gradient_scale,
    make_steps,
    needs_whole,
)


def arena(sizes=(3, 5), lr_mult=(1.5, 0.0), decay_mult=(0.5, 3.0)):
    """Two parameters with a gap between; the gap's gradient must not count."""
    starts = np.cumsum([0, *[s + 2 for s in sizes]])
    segments = [
        SimpleNamespace(slice=slice(int(a), int(a) + s), lr_mult=m, decay_mult=d)
        for a, s, m, d in zip(starts, sizes, lr_mult, decay_mult)
    ]
    size = int(starts[-1])
    draw = np.random.default_rng(2)
    data, diff = draw.standard_normal((2, size))
    return SimpleNamespace(data=data, diff=diff, segments=segments)


def norm(a):
    return float(np.sqrt(sum((a.diff[s.slice] ** 2).sum() for s in a.segments)))


def test_clipping_acts_on_the_sum_and_only_above_its_limit():
    a = arena()
    limit = norm(a)
    loose = SolverParameter(clip_gradients=limit * 1.01, iter_size=4)
    tight = SolverParameter(clip_gradients=limit * 0.3, iter_size=4)
    assert gradient_scale(NumpyOps(), a, loose) == 0.25
    # 0.3 to float32's precision, in which the field is stored.
    assert gradient_scale(NumpyOps(), a, tight) == pytest.approx(0.3 / 4, 1e-6)


def test_no_clipping_by_default():
    assert gradient_scale(NumpyOps(), arena(), SolverParameter()) == 1


@pytest.mark.parametrize(("kind", "l2", "l1"), [("L2", 1, 0), ("L1", 0, 1)])
def test_segments_have_their_own_rates_and_decays(kind, l2, l1):
    solver = SolverParameter(weight_decay=0.25, regularization_type=kind)
    steps = make_steps(arena(), solver, rate=0.5, scale=0.125)
    assert steps.start.tolist() == [0, 5]
    assert steps.stop.tolist() == [3, 10]
    assert steps.rate.tolist() == [0.75, 0]
    assert steps.l2.tolist() == [0.125 * l2, 0.75 * l2]
    assert steps.l1.tolist() == [0.125 * l1, 0.75 * l1]
    assert steps.scale == 0.125


def test_weight_decay_is_not_divided_by_iter_size():
    a = arena(lr_mult=(1.0, 1.0))
    a.diff[:] = 0
    before = a.data.copy()
    solver = SolverParameter(weight_decay=0.5, iter_size=4)
    Update(NumpyOps(), a, [a.data * 0], solver, iteration=0, rate=0.125).whole()
    for s in a.segments:
        expected = before[s.slice] * (1 - 0.125 * 0.5 * s.decay_mult)
        np.testing.assert_allclose(a.data[s.slice], expected, rtol=1e-12)


def test_adams_first_step_is_the_rate():
    """With unbiased means, the first step is rate · g / |g| for every element."""
    a = arena(lr_mult=(1.0, 1.0))
    before = a.data.copy()
    solver = SolverParameter(type="Adam", momentum=0.85, momentum2=0.96, delta=0)
    histories = [a.data * 0, a.data * 0]
    Update(NumpyOps(), a, histories, solver, iteration=0, rate=0.01).whole()
    for s in a.segments:
        step = before[s.slice] - a.data[s.slice]
        np.testing.assert_allclose(step, 0.01 * np.sign(a.diff[s.slice]), rtol=1e-6)


def test_histories_are_those_of_a_solverstate():
    counts = {name: rule.histories for name, rule in RULES.items()}
    assert counts == {
        "SGD": 1, "Nesterov": 1, "AdaGrad": 1, "RMSProp": 1, "AdaDelta": 2, "Adam": 2,
        "AdamW": 2, "LARS": 1,
    }  # fmt: skip


def test_an_unknown_type_offers_the_nearest():
    with pytest.raises(SpecError, match="Did you mean 'Nesterov'"):
        RULES["Nestorov"]


def optimize(kind, steps, **fields):
    """Weights after some steps of a rule on gradients drawn anew for each."""
    a = arena(lr_mult=(1.5, 0.7))
    solver = SolverParameter(type=kind, iter_size=2, **fields)
    histories = [a.data * 0 for _ in range(RULES[kind].histories)]
    gradients = np.random.default_rng(7).standard_normal((steps, a.diff.size))
    start = a.data.copy()
    for t, g in enumerate(gradients):
        a.diff[:] = g
        Update(NumpyOps(), a, histories, solver, t, rate=0.01 / (1 + t)).whole()
    return a, start, gradients


@pytest.mark.parametrize("l1", [False, True])
def test_adamw_is_a_loop_with_decay_beside_adam(l1):
    kind = "L1" if l1 else "L2"
    fields = {"momentum": 0.75, "momentum2": 0.9375, "delta": 0, "weight_decay": 0.5}
    a, start, gradients = optimize("AdamW", 6, regularization_type=kind, **fields)
    for s in a.segments:
        w, m, v = start[s.slice], 0, 0
        for t, gradient in enumerate(gradients):
            rate, g = 0.01 / (1 + t) * s.lr_mult, gradient[s.slice] / 2
            m, v = 0.75 * m + 0.25 * g, 0.9375 * v + 0.0625 * g**2
            mean, square = m / (1 - 0.75 ** (t + 1)), v / (1 - 0.9375 ** (t + 1))
            w = w - rate * 0.5 * s.decay_mult * (np.sign(w) if l1 else w)
            w = w - rate * mean / np.sqrt(square)
        np.testing.assert_allclose(a.data[s.slice], w, rtol=1e-12)


def test_adamw_without_decay_is_adam():
    fields = {"momentum": 0.75, "momentum2": 0.9375, "delta": 1e-3}
    found, expected = (optimize(kind, 3, **fields)[0] for kind in ("AdamW", "Adam"))
    np.testing.assert_array_equal(found.data, expected.data)


@pytest.mark.parametrize("limit", [-1, 0.5])
def test_lars_goes_in_proportion_to_the_norms(limit):
    fields = {"momentum": 0.75, "weight_decay": 0.5, "local_gw_ratio": 0.125}
    a, start, gradients = optimize("LARS", 5, clip_gradients=limit, **fields)
    w, v = start.copy(), 0 * start
    for t, g in enumerate(gradients):
        whole = np.sqrt(sum((g[s.slice] ** 2).sum() for s in a.segments))
        scale = 0.5 * (limit / whole if limit > 0 else 1)
        for s in a.segments:
            at, decay = s.slice, 0.5 * s.decay_mult
            slope, norm = scale * g[at], np.linalg.norm(w[at])
            local = 0.125 * norm / (np.linalg.norm(slope) + decay * norm)
            rate = 0.01 / (1 + t) * s.lr_mult * local
            v[at] = 0.75 * v[at] + rate * (slope + decay * w[at])
            w[at] -= v[at]
    np.testing.assert_allclose(a.data, w, rtol=1e-12)


def test_lars_leaves_the_rate_of_weights_that_are_0():
    a = arena(lr_mult=(1.0, 1.0))
    a.data[:] = 0
    solver = SolverParameter(type="LARS", weight_decay=0.5)
    Update(NumpyOps(), a, [a.data.copy()], solver, 0, rate=0.125).whole()
    for s in a.segments:
        np.testing.assert_array_equal(a.data[s.slice], -0.125 * a.diff[s.slice])


def test_what_follows_from_the_whole_gradient_waits_for_it():
    waits = {kind for kind in RULES if needs_whole(SolverParameter(type=kind))}
    assert waits == {"LARS"}
    assert needs_whole(SolverParameter(clip_gradients=3))


def test_parts_make_up_the_whole():
    """AdamW, stretch by stretch: the cut goes through a parameter."""
    fields = {"type": "AdamW", "momentum": 0.75, "weight_decay": 0.5}
    cut, whole = arena(lr_mult=(1.5, 0.7)), arena(lr_mult=(1.5, 0.7))
    for a, by_parts in ((cut, True), (whole, False)):
        histories = [a.data * 0, a.data * 0]
        update = Update(NumpyOps(), a, histories, SolverParameter(**fields), 3, 0.1)
        if by_parts:
            update.part(slice(0, 7))
            update.part(slice(7, a.data.size))
        else:
            update.whole()
    np.testing.assert_array_equal(cut.data, whole.data)
