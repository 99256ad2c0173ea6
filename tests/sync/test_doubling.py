from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.sync.direct import LARGE
from netspec.sync.doubling import SMALL, partners

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


def summed_in_place(values, apart=(), lazy=()):
    """As a run does it: sums of gradients in a place that others see, weights made of
    parts of them, and both overwritten as soon as all is said to be done."""

    def work(sync):
        length = values.shape[1]
        bucket, weights = (sync.shared(length, "float32") for _ in "12")
        found = []
        for _ in range(3):
            bucket[...] = values[sync.rank]
            weights[...] = 7

            def then(part):
                weights[part] -= bucket[part]

            sync.begin(bucket, then, weights)
            sync.finish()
            found.append(weights.copy())
            bucket[...] = np.nan  # its partners have read it
            weights[...] = np.nan
        bucket[...] = values[sync.rank]
        sync.reduce(bucket)
        found.append(7 - bucket)
        bucket[...] = np.nan
        sync.barrier()
        return found, sync.own_port.sent

    return on_ranks(len(values), work, apart, lazy)


@pytest.mark.smoke
@pytest.mark.parametrize("size", [2, 3, 4, 6, 8])
def test_neighbours_read_what_they_would_be_sent(size):
    values = gradients(size, LONG)
    whole = reduced(values)[0][0]
    for found, sent in summed_in_place(values):
        assert sent == 0
        for weights in found:
            np.testing.assert_array_equal(weights, 7 - whole)


@pytest.mark.parametrize("size", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("lazy", [(0,), (1,), (2, 3)])
def test_nobody_overwrites_what_a_slow_neighbour_still_reads(size, lazy):
    values = gradients(size, LONG)
    whole = reduced(values)[0][0]
    for found, _ in summed_in_place(values, lazy=lazy):
        for weights in found:
            np.testing.assert_array_equal(weights, 7 - whole)


@pytest.mark.parametrize("size", [2, 3, 4, 6, 8])
def test_some_pairs_may_be_far_apart(size):
    values = gradients(size, LONG)
    whole = reduced(values)[0][0]
    apart = [
        {rank, rank + 1} for rank in range(0, size, 4)
    ]  # and 0 from what is beyond
    sent = 0
    for found, own in summed_in_place(values, apart, lazy=(1,)):
        sent += own
        for weights in found:
            np.testing.assert_array_equal(weights, 7 - whole)
    assert sent


@pytest.mark.parametrize("size", range(1, 18))
def test_partners_are_those_that_arrays_come_from(size):
    for rank in range(size):
        for partner in partners(rank, size):
            assert rank in partners(partner, size)
            assert partner != rank
    assert sorted(partners(0, size)) == sorted({1, 2, 4, 8} & set(range(size))) or (
        size & (size - 1)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_parts_arrive_whole(dtype):
    """What each rank has of its own, of more elements than caches are worth."""
    length = 3 * LARGE + 7
    values = gradients(2, length).astype(dtype)

    def work(sync):
        bucket = sync.shared(length, dtype)
        bucket[...] = values[sync.rank]
        sync.reduce(bucket)
        return bucket

    for bucket in on_ranks(2, work):
        np.testing.assert_array_equal(bucket, values[0] + values[1])
