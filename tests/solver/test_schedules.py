from __future__ import annotations

import math

import pytest

from netspec.errors import SpecError
from netspec.proto import SolverParameter
from netspec.solver.schedules import POLICIES, learning_rate, steps_taken


def solver(policy, **fields):
    return SolverParameter(lr_policy=policy, base_lr=0.25, **fields)


# Powers of two, so that float32 fields are exact and rates can be compared exactly.
TABLE = [
    (solver("fixed"), {0: 0.25, 7: 0.25}),
    (solver("step", gamma=0.5, stepsize=3), {0: 0.25, 2: 0.25, 3: 0.125, 7: 0.0625}),
    (solver("exp", gamma=0.5), {0: 0.25, 1: 0.125, 4: 0.015625}),
    (solver("inv", gamma=3, power=2), {0: 0.25, 1: 0.015625, 5: 0.25 / 256}),
    (
        solver("multistep", gamma=0.5, stepvalue=[2, 5, 6]),
        {0: 0.25, 1: 0.25, 2: 0.125, 4: 0.125, 5: 0.0625, 6: 0.03125, 99: 0.03125},
    ),
    (
        solver("poly", power=2, max_iter=8),
        {0: 0.25, 2: 0.140625, 4: 0.0625, 8: 0, 9: 0},
    ),
    (solver("plateau", gamma=0.5), {0: 0.25, 50: 0.25}),
]


@pytest.mark.smoke
@pytest.mark.parametrize("policy", [s.lr_policy for s, _ in TABLE])
def test_rates_are_those_of_the_formula(policy):
    solver, rates = next(row for row in TABLE if row[0].lr_policy == policy)
    assert {t: learning_rate(solver, t) for t in rates} == rates


def test_sigmoid_falls_through_the_middle():
    falling = solver("sigmoid", gamma=2, stepsize=4)
    assert learning_rate(falling, 4) == 0.125
    # 1 / (1 + e^-6) by hand, on either side of the midpoint.
    assert learning_rate(falling, 7) == pytest.approx(0.25 * 0.9975273768433653)
    assert learning_rate(falling, 1) == pytest.approx(0.25 * 0.0024726231566347743)
    assert learning_rate(falling, 0) < learning_rate(falling, 10**6) == 0.25


def test_cosine_falls_along_half_a_wave():
    whole = solver("cosine", max_iter=12)
    half = math.sqrt(0.5)
    rates = {0: 0.25, 3: 0.125 * (1 + half), 6: 0.125, 8: 0.0625, 12: 0, 99: 0}
    assert {t: learning_rate(whole, t) for t in rates} == pytest.approx(rates, abs=1e-9)
    to_least = solver("cosine", max_iter=12, min_lr=0.125)
    rates = {0: 0.25, 4: 0.21875, 6: 0.1875, 8: 0.15625, 12: 0.125, 99: 0.125}
    assert {t: learning_rate(to_least, t) for t in rates} == pytest.approx(rates)


def test_poly_may_end_above_0():
    to_least = solver("poly", power=2, max_iter=8, min_lr=0.125)
    rates = {0: 0.25, 4: 0.15625, 8: 0.125, 9: 0.125}
    assert {t: learning_rate(to_least, t) for t in rates} == rates


# Intel's rule: the line to base_lr, then the policy at the iteration as it stands.
WARM = {"warmup_iter": 4, "warmup_start_lr": 0.0625}
WARM_UPS = [
    (solver("fixed", **WARM), {0: 0.0625, 1: 0.109375, 3: 0.203125, 4: 0.25}),
    (solver("fixed", warmup_iter=4), {0: 0, 1: 0.0625, 2: 0.125, 4: 0.25}),
    (solver("exp", gamma=0.5, **WARM), {3: 0.203125, 4: 0.015625}),
    (
        solver("multistep", gamma=0.5, stepvalue=[2, 5], **WARM),
        {2: 0.15625, 4: 0.125, 5: 0.0625},
    ),
]


@pytest.mark.parametrize(("solver", "rates"), WARM_UPS)
def test_warm_up_goes_straight_to_base_lr(solver, rates):
    assert {t: learning_rate(solver, t) for t in rates} == rates


def test_cosine_begins_where_the_warm_up_ends():
    warm = solver("cosine", max_iter=12, **WARM)
    rates = {0: 0.0625, 3: 0.203125, 4: 0.25, 8: 0.125, 12: 0}
    assert {t: learning_rate(warm, t) for t in rates} == pytest.approx(rates, abs=1e-9)
    short = solver("cosine", max_iter=3, **WARM)  # cut short to try it out
    assert [learning_rate(short, t) for t in (2, 4, 5)] == [0.15625, 0.25, 0]


def test_plateau_divides_by_ten_unless_told():
    assert learning_rate(solver("plateau"), 9, drops=2) == pytest.approx(0.0025)
    assert learning_rate(solver("plateau", gamma=0.5), 9, drops=2) == 0.0625


@pytest.mark.parametrize(
    ("values", "taken"),
    [
        ([2, 2], {1: 0, 2: 1, 3: 2}),  # one step an iteration
        ([5, 3], {4: 0, 5: 1, 6: 2}),  # in the order of the file
        ([0, 1], {0: 1, 1: 2}),
        ([], {4: 0}),
    ],
)
def test_multistep_waits_for_its_values_as_caffe_does(values, taken):
    assert {t: steps_taken(values, t) for t in taken} == taken


def test_an_unknown_policy_offers_the_nearest():
    with pytest.raises(SpecError, match="Did you mean 'multistep'"):
        learning_rate(solver("multi_step"), 0)


def test_every_policy_is_in_a_table():
    assert {s.lr_policy for s, _ in TABLE} | {"sigmoid", "cosine"} == set(POLICIES)
