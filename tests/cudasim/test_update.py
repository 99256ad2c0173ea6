"""Update rules over the arena, its norm and its average, against the reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from netspec.backends.reference.update import Steps
from tests.backends.test_update import RULES

CHUNK = 4096
# A segment of several chunks, some within one, a gap of chunks; ends off a vector.
STEPS = Steps(
    start=np.array([16, CHUNK + 96, CHUNK + 112, 6 * CHUNK + 3]),
    stop=np.array([CHUNK + 77, CHUNK + 101, 2 * CHUNK + 11, 6 * CHUNK + 9]),
    rate=np.array([0.11, 0.23, 0.031, 0.0]),
    l2=np.array([0.013, 0.0, 0.027, 0.5]),
    l1=np.array([0.0, 0.041, 0.0, 0.0]),
    scale=0.37,
)
SIZE = 6 * CHUNK + 19


def arrays(histories):
    draw = np.random.default_rng(11)
    w, g = draw.standard_normal((2, SIZE))
    w[::5] = 0
    return [a.astype(np.float32) for a in (w, g, *draw.random((histories, SIZE)))]


def stepped(ops, name, steps):
    histories, constants = RULES[name]
    w, g, *h = arrays(histories)
    getattr(ops, f"{name}_update")(w, g, *h, steps, *constants)
    return w, g, *h


@pytest.mark.parametrize("name", RULES)
def test_rules(name, machine):
    machine.agree(lambda ops: stepped(ops, name, STEPS), 3e-7)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_rules_without_decay_or_segments(name, machine):
    none = np.zeros(len(STEPS.start))
    machine.agree(
        lambda ops: stepped(ops, name, replace(STEPS, l2=none, l1=none)), 3e-7
    )
    empty = Steps(*(np.zeros(0, int) for _ in range(2)), *(np.zeros(0),) * 3)
    machine.agree(lambda ops: stepped(ops, name, empty), 0, 0)


def test_a_new_rate_brings_no_new_table(machine):
    if machine.world is None:
        pytest.skip("counted on the stand-in")
    from netspec.backends.cuda import update

    stepped(machine.ops, "sgd", STEPS)
    known = update._table.cache_info().misses
    for rate in (0.5, 0.25, 1.7):
        stepped(machine.ops, "sgd", replace(STEPS, rate=STEPS.rate * rate))
    assert update._table.cache_info().misses <= known + 1


@pytest.mark.parametrize("size", [1, 4096, 3 * 4096 + 5])
def test_sum_of_squares(size, machine):
    x = np.random.default_rng(size).standard_normal(size).astype(np.float32)
    machine.agree(lambda ops: [ops.sum_squares(x)], 1e-12)


@pytest.mark.parametrize("bad", [None, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 4096, 8196])
def test_all_finite(bad, at, machine):
    x = np.full(2 * 4096 + 5, 3, np.float32)
    if bad is not None:
        x[at] = bad
    (found,) = machine.agree(lambda ops: [ops.all_finite(x)])
    assert found == (bad is None)


def test_the_average_of_weights(machine):
    average, w = arrays(0)

    def call(ops):
        ops.average_update(mean := average.copy(), w, 0.9375)
        return [mean]

    machine.agree(call, 3e-7)
