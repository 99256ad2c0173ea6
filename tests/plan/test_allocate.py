"""Arrays alive together never overlap, and the block is no larger than needed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.plan.allocate import ALIGNMENT, allocate, block_size
from netspec.plan.lifetime import Interval

SIZES = {"float": 4, "uint8": 1}


def interval(name: str, elements: int, first: int, last: int, dtype: str = "float"):
    return Interval(("data", name), elements, ((first, last),), dtype)


@pytest.mark.smoke
def test_a_chain_needs_two_arrays() -> None:
    chain = [interval(f"b{i}", 160, i, i + 1) for i in range(9)]
    assert block_size(allocate(chain, SIZES).values()) == 2 * 160 * 4


def test_arrays_alive_together_each_have_their_own() -> None:
    both = [interval("x", 100, 0, 5), interval("y", 3, 5, 9, "uint8")]
    slots = allocate(both, SIZES)
    assert slots["data", "x"].offset % ALIGNMENT == 0
    assert slots["data", "x"].size == 448  # 400 rounded up to a cache line
    assert slots["data", "y"].size == ALIGNMENT
    assert block_size(slots.values()) == 448 + ALIGNMENT


spans = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted)


@given(st.lists(st.tuples(st.integers(0, 999), spans), max_size=25))
def test_no_two_alive_arrays_overlap(drawn: list) -> None:
    intervals = [interval(str(i), n, *span) for i, (n, span) in enumerate(drawn)]
    slots = list(allocate(intervals, SIZES).values())
    for i, a in enumerate(slots):
        assert a.size >= a.interval.elements * 4
        for b in slots[:i]:
            apart = a.end <= b.offset or b.end <= a.offset
            assert apart or not a.interval.meets(b.interval)
