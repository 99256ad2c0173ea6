"""Slender products against float64, within their arrays, for any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netspec.backends.cpu import slender, threads
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


def check(product, a, b, wide_b, bias, c) -> None:
    """Against the definition, to the rounding errors of up to 2049 products in turn."""
    wanted = a.astype(np.float64) @ wide_b.astype(np.float64)
    if bias.size:
        wanted += bias
    sizes = np.abs(a) @ np.abs(wide_b) + 1
    product(a, b, bias, c)
    assert (np.abs(c - wanted) < 3e-6 * sizes).all()


@quick
@given(n=rows, k=lengths, m=lengths, biased=st.booleans())
def test_sums_of_products(n, k, m, biased) -> None:
    guard = Guards()
    a, b = draw(guard, "a", n, k), draw(guard, "b", m, k)
    bias = draw(guard, "bias", m if biased else 0)
    c = draw(guard, "c", n, m)
    check(slender.sums_of_products, a, b, b.T, bias, c)
    assert guard.broken() == []


@quick
@given(n=rows, k=lengths, m=lengths, biased=st.booleans(), turned=st.booleans())
def test_combinations(n, k, m, biased, turned) -> None:
    guard = Guards()
    a = draw(guard, "a", k, n).T if turned else draw(guard, "a", n, k)
    b = draw(guard, "b", k, m)
    bias = draw(guard, "bias", m if biased else 0)
    c = draw(guard, "c", n, m)
    check(slender.combinations, a, b, b, bias, c)
    assert guard.broken() == []


@quick
@given(n=rows, k=lengths, m=lengths, turned=st.booleans())
def test_sums_are_complete_before_they_are_added(n, k, m, turned) -> None:
    guard = Guards()
    a = draw(guard, "a", k, n).T if turned else draw(guard, "a", n, k)
    b, c = draw(guard, "b", k, m), draw(guard, "c", n, m)
    sums = np.empty_like(c)
    slender.combinations(a, b, np.zeros(0, np.float32), sums)
    wanted = c + sums
    slender.add_combinations(a, b, c)
    np.testing.assert_array_equal(c, wanted)
    assert guard.broken() == []


@pytest.mark.parametrize("product", [slender.sums_of_products, slender.combinations])
def test_threads_do_not_show(product, monkeypatch) -> None:
    guard, found = Guards(), []
    a, b = draw(guard, "a", 33, 3000), draw(guard, "b", 3000, 3000)
    for number in (1, 2, 5):
        monkeypatch.setattr(threads, "_count", number)
        c = np.full((33, 3000), np.nan, np.float32)
        product(a, b, np.zeros(0, np.float32), c)
        found.append(c)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
