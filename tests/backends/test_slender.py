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


def check(product, a, b, wide_b, bias, c, add) -> None:
    """Against the definition, to a few rounding errors of the sum of magnitudes."""
    before = c.astype(np.float64) if add else 0
    wanted = a.astype(np.float64) @ wide_b.astype(np.float64) + before
    if bias.size:
        wanted += bias
    sizes = np.abs(a) @ np.abs(wide_b) + np.abs(before) + 1
    product(a, b, bias, c, add)
    assert (np.abs(c - wanted) < 1e-6 * sizes).all()


@quick
@given(n=rows, k=lengths, m=lengths, biased=st.booleans(), add=st.booleans())
def test_sums_of_products(n, k, m, biased, add) -> None:
    guard = Guards()
    a, b = draw(guard, "a", n, k), draw(guard, "b", m, k)
    bias = draw(guard, "bias", m if biased else 0)
    c = draw(guard, "c", n, m)
    check(slender.sums_of_products, a, b, b.T, bias, c, add)
    assert guard.broken() == []


@quick
@given(
    n=rows,
    k=lengths,
    m=lengths,
    biased=st.booleans(),
    add=st.booleans(),
    turned=st.booleans(),
)
def test_combinations(n, k, m, biased, add, turned) -> None:
    guard = Guards()
    a = draw(guard, "a", k, n).T if turned else draw(guard, "a", n, k)
    b = draw(guard, "b", k, m)
    bias = draw(guard, "bias", m if biased else 0)
    c = draw(guard, "c", n, m)
    check(slender.combinations, a, b, b, bias, c, add)
    assert guard.broken() == []


@pytest.mark.parametrize("product", [slender.sums_of_products, slender.combinations])
def test_threads_do_not_show(product, monkeypatch) -> None:
    guard, found = Guards(), []
    a, b = draw(guard, "a", 33, 3000), draw(guard, "b", 3000, 3000)
    for number in (1, 2, 5):
        monkeypatch.setattr(threads, "_count", number)
        c = np.full((33, 3000), np.nan, np.float32)
        product(a, b, np.zeros(0, np.float32), c, False)
        found.append(c)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
