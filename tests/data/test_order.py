from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.data.order import Order, shuffled, shuffled_files, skipped
from netspec.random import Key

KEY = Key(7, "in/shuffle")


@given(
    st.integers(1, 40), st.integers(0, 90), st.integers(0, 200), st.integers(1, 150),
    st.booleans(),
)  # fmt: skip
def test_a_range_is_its_samples_one_by_one(size, skip, first, count, shuffle):
    order = Order(size, skip, shuffled(KEY, size) if shuffle else None)
    together = order.indices(first, count)
    assert together == [order.indices(first + i, 1)[0] for i in range(count)]
    if not shuffle:
        assert together == [(first + skip + i) % size for i in range(count)]


def test_every_epoch_has_every_record_in_another_order():
    order = Order(50, 0, shuffled(KEY, 50))
    epochs = [order.indices(50 * e, 50) for e in range(3)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[1] == Order(50, 0, shuffled(KEY, 50)).indices(50, 50)
    assert epochs[1] != Order(50, 0, shuffled(Key(8, "in/shuffle"), 50)).indices(50, 50)


def test_files_are_shuffled_whole_and_within():
    sizes = [7, 5, 9]
    order = Order(21, 0, shuffled_files(KEY, sizes))
    seen = set()
    for epoch in range(12):
        rows = order.indices(21 * epoch, 21)
        files = [0 if r < 7 else 1 if r < 12 else 2 for r in rows]
        changes = sum(a != b for a, b in pairwise(files))
        assert changes == 2  # each file in one piece
        assert sorted(rows) == list(range(21))
        assert rows != sorted(rows)
        seen.add(tuple(dict.fromkeys(files)))
    assert len(seen) > 2


@pytest.mark.parametrize("most", [1, 3, 1000])
def test_rand_skip_is_below_its_limit(most):
    drawn = Counter(skipped(Key(seed, "in/rand_skip"), most) for seed in range(200))
    assert set(drawn) <= set(range(most))
    assert len(drawn) == min(most, 3) or most == 1000
