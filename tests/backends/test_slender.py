"""Slender products against float64, within their arrays, for any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netspec.backends.cpu import combinations, dots, outer, threads
from tests.backends.guarded import Guards

rows = st.integers(1, 70)
# Around whole vectors, segments, stretches and groups of rows.
lengths = st.one_of(
    st.integers(1, 50), st.sampled_from([63, 64, 65, 1023, 1025, 2049, 1100])
)
quick = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def draw(guard: Guards, name: str, *shape: int) -> np.ndarray:
    rng = np.random.default_rng(sum(shape) + len(name))
    return guard.array(name, rng.standard_normal(shape).astype(np.float32))


def check(found, products, sizes) -> None:
    """Against the definition, to a few rounding errors of the sum of magnitudes."""
    assert (np.abs(found - products) < 1e-6 * (sizes + 1)).all()


def wide(*arrays: np.ndarray) -> list[np.ndarray]:
    return [array.astype(np.float64) for array in arrays]


@pytest.fixture(params=["caches", "small caches"])
def guards(request, monkeypatch: pytest.MonkeyPatch) -> list[Guards]:
    """Scratch comes from the newest of the guards; small caches hold few values."""
    every = [Guards()]
    if request.param == "small caches":
        monkeypatch.setattr(dots, "HELD", 1 << 13)
        monkeypatch.setattr(combinations, "HELD", 1 << 11)
        monkeypatch.setattr(outer, "PACKED", 1 << 10)
    monkeypatch.setattr(
        "netspec.backends.cpu.threads.buffer",
        lambda name, size: every[-1].scratch()(name, size),
    )
    return every


@quick
@given(n=rows, k=lengths, m=lengths, biased=st.booleans())
def test_sums_of_products(n, k, m, biased, guards) -> None:
    guards.append(guard := Guards())
    a, b = draw(guard, "a", n, k), draw(guard, "b", m, k)
    bias = draw(guard, "bias", m if biased else 0)
    c = guard.array("c", np.full((n, m), np.nan, np.float32))
    dots.sums_of_products(a, b, bias, c)
    left, right = wide(a, b)
    sizes = np.abs(left) @ np.abs(right.T)
    check(c, left @ right.T + (bias if biased else 0), sizes)
    assert guard.broken() == []


@quick
@given(n=rows, k=lengths, m=lengths, biased=st.booleans())
def test_combinations(n, k, m, biased, guards) -> None:
    guards.append(guard := Guards())
    a, b = draw(guard, "a", n, k), draw(guard, "b", k, m)
    bias = draw(guard, "bias", m if biased else 0)
    c = guard.array("c", np.full((n, m), np.nan, np.float32))
    combinations.combinations(a, b, bias, c)
    left, right = wide(a, b)
    check(c, left @ right + (bias if biased else 0), np.abs(left) @ np.abs(right))
    assert guard.broken() == []


@quick
@given(n=rows, k=lengths, m=lengths)
def test_outer_products(n, k, m, guards) -> None:
    """The whole sum is made alone, and then added once."""
    guards.append(guard := Guards())
    a, b, before = (
        draw(guard, "a", n, m),
        draw(guard, "b", n, k),
        draw(guard, "c", m, k),
    )
    alone, c = guard.array("alone", np.zeros_like(before)), before.copy()
    outer.add_outer_products(a, b, alone)
    outer.add_outer_products(a, b, c)
    left, right = wide(a, b)
    check(alone, left.T @ right, np.abs(left.T) @ np.abs(right))
    assert (c == before + alone).all()
    assert guard.broken() == []


def test_weights_that_are_no_numbers_stay_theirs() -> None:
    """What stands for rows and columns that lack does not reach the others."""
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((5, 37)), rng.standard_normal((37, 45))
    a, b = a.astype(np.float32), b.astype(np.float32)
    b[36, 44] = np.inf
    c, turned = np.empty((2, 5, 45), np.float32)
    combinations.combinations(a, b, np.zeros(0, np.float32), c)
    dots.sums_of_products(a, np.ascontiguousarray(b.T), np.zeros(0, np.float32), turned)
    for found in (c, turned):
        assert np.isfinite(found[:, :44]).all()
        assert np.isinf(found[:, 44]).all()


def test_threads_do_not_show(monkeypatch) -> None:
    guard, found = Guards(), []
    a, b = draw(guard, "a", 33, 3000), draw(guard, "b", 3000, 3000)
    none = np.zeros(0, np.float32)
    for number in (1, 2, 5):
        monkeypatch.setattr(threads, "_count", number)
        c, d, e = (np.zeros((33, 3000), np.float32) for _ in range(3))
        dots.sums_of_products(a, b, none, c)
        combinations.combinations(a, b, none, d)
        outer.add_outer_products(b[:, :33].copy(), b, e)
        found.append((c.tobytes(), d.tobytes(), e.tobytes()))
    assert found[0] == found[1] == found[2]
