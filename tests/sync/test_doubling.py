from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.sync.doubling import SMALL

from .test_tree import by_recursion, gradients
from .threads import on_ranks

LONG = SMALL // 4 + 37  # elements of a bucket that is halved


def reduced(values):
    def work(sync):
        bucket = values[sync.rank].copy()
        sync.reduce(bucket)
        return bucket, sync.port.sent

    return on_ranks(len(values), work)


@pytest.mark.smoke
@pytest.mark.parametrize("size", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("length", [1, 5, LONG])
def test_powers_of_two_add_in_the_tree(size, length):
    values = gradients(size, length)
    for bucket, _ in reduced(values):
        np.testing.assert_array_equal(bucket, by_recursion(values))


@pytest.mark.parametrize("size", [3, 5, 6, 7, 12])
@pytest.mark.parametrize("length", [3, LONG])
def test_other_numbers_agree_with_each_other_and_within_rounding(size, length):
    values = gradients(size, length)
    first, *others = [bucket for bucket, _ in reduced(values)]
    for bucket in others:
        np.testing.assert_array_equal(bucket, first)
    # Sums of at most 12 float32 in another order.
    off = np.abs(first - values.astype(float).sum(0))
    assert (off <= 12 * 6e-8 * np.abs(values).sum(0)).all()


def test_no_rank_sends_more_than_it_must():
    values = gradients(8, 8 * LONG)
    for bucket, sent in reduced(values):
        assert sent == 2 * 7 * bucket.nbytes // 8


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 9), st.integers(1, 3 * LONG))
def test_all_ranks_get_the_same(size, length):
    found = [bucket for bucket, _ in reduced(gradients(size, length))]
    for bucket in found[1:]:
        np.testing.assert_array_equal(bucket, found[0])


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("length", [3, LONG])
def test_what_follows_from_parts_of_sums_reaches_all(size, length):
    """As an update of weights does, with a history that each keeps for its own part."""
    values = gradients(size, length)

    def work(sync):
        bucket = values[sync.rank].copy()
        weights, history = np.full(length, 7, bucket.dtype), np.zeros_like(bucket)

        def then(part):
            history[part] = 2 * bucket[part]
            weights[part] -= history[part]

        sync.begin(bucket, then, weights)
        sync.finish()
        mine = np.count_nonzero(history)
        sync.complete(history)
        return weights, history, mine

    found = on_ranks(size, work)
    whole = reduced(values)[0][0]
    for weights, history, _ in found:
        np.testing.assert_array_equal(history, 2 * whole)
        np.testing.assert_array_equal(weights, 7 - 2 * whole)
    if length == LONG:  # nobody computes all of it
        core = 1 << size.bit_length() - 1
        assert sum(mine for *_, mine in found) == length
        assert max(mine for *_, mine in found) <= -(-length // core) + 1
