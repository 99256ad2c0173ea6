from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.sync import Leaves, Local, TreeSum


def gradients(leaves, size=37, seed=5):
    """Magnitudes far apart, so that every other order of adding gives other bits."""
    draw = np.random.default_rng(seed)
    powers = 10.0 ** draw.integers(-4, 5, (leaves, size))
    return (draw.standard_normal((leaves, size)) * powers).astype(np.float32)


def run_rank(values, rank, size, pairs=False):
    leaves = Leaves(len(values), rank, size)
    bucket = np.empty(values.shape[1], values.dtype)
    tree = TreeSum(bucket, pairs=pairs and leaves.group_size == 1)
    for leaf in leaves.owned:
        if leaves.opens_group(leaf) and not tree.is_right:
            bucket[:] = 0
        bucket += values[leaf]
        if leaves.closes_group(leaf) and leaf != leaves.owned[-1]:
            tree.add()
    tree.complete(slice(0, 5))
    tree.complete(slice(5, None))
    return bucket


def double(partials):
    """Recursive doubling: partners at distance 1, 2, 4."""
    distance = 1
    while distance < len(partials):
        partials = [
            partials[min(r, r ^ distance)] + partials[max(r, r ^ distance)]
            for r in range(len(partials))
        ]
        distance *= 2
    return partials


def by_recursion(values):
    if len(values) % 2:
        total = np.zeros_like(values[0])
        for value in values:
            total += value
        return total
    half = len(values) // 2
    return by_recursion(values[:half]) + by_recursion(values[half:])


@pytest.mark.smoke
@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("total", [1, 2, 3, 8, 12, 16, 24, 40])
def test_every_number_of_owners_gives_the_same_bits(total, pairs):
    values = gradients(total)
    alone = run_rank(values, 0, 1, pairs)
    np.testing.assert_array_equal(alone, by_recursion(values))
    for size in (2, 4, 8):
        if Leaves(total).groups % size:
            continue
        ranks = double([run_rank(values, r, size, pairs) for r in range(size)])
        for of_rank in ranks:
            np.testing.assert_array_equal(of_rank, alone)


@given(st.integers(1, 40), st.data())
def test_pairs_give_the_same_bits(total, data):
    size = data.draw(st.integers(1, total))
    values = gradients(total)
    for rank in range(size):
        np.testing.assert_array_equal(
            run_rank(values, rank, size, True), run_rank(values, rank, size)
        )


def test_a_pair_takes_no_array_of_its_own(monkeypatch):
    kept = []
    monkeypatch.setattr(TreeSum, "_keep", lambda self, level: kept.append(level))
    run_rank(gradients(2), 0, 1, pairs=True)
    assert kept == []
    run_rank(gradients(2), 0, 1)
    assert kept == [0]


def test_the_order_matters_for_this_data():
    values = gradients(8)
    assert (run_rank(values, 0, 1) != np.add.reduce(values)).any()


@given(st.integers(1, 64))
def test_a_group_opens_and_closes_once(total):
    leaves = Leaves(total)
    opened = [leaf for leaf in leaves.owned if leaves.opens_group(leaf)]
    closed = [leaf for leaf in leaves.owned if leaves.closes_group(leaf)]
    assert len(opened) == len(closed) == leaves.groups
    assert leaves.groups * leaves.group_size == total
    assert leaves.group_size % 2 == 1


@given(st.sampled_from([1, 2, 4, 8]), st.integers(1, 5))
def test_ranks_share_the_leaves_out(size, times):
    total = 8 * times
    shares = [Leaves(total, rank, size).owned for rank in range(size)]
    assert [leaf for share in shares for leaf in share] == list(range(total))


@pytest.mark.parametrize(("total", "size"), [(0, 1), (2, 3), (7, 8)])
def test_leaves_that_do_not_go_round(total, size):
    with pytest.raises(ValueError, match="do not go round"):
        Leaves(total, 0, size)


@given(st.integers(1, 40), st.data())
def test_any_number_of_ranks_shares_the_leaves_out(total, data):
    size = data.draw(st.integers(1, total))
    shares = [Leaves(total, rank, size).owned for rank in range(size)]
    assert [leaf for share in shares for leaf in share] == list(range(total))
    lengths = {len(share) for share in shares}
    assert max(lengths) - min(lengths) <= 1
    values = gradients(total)
    ranks = [run_rank(values, rank, size) for rank in range(size)]
    # Sums of at most 40 float32, in another order.
    total_abs = np.abs(values).sum(0)
    off = np.abs(np.sum(ranks, axis=0) - run_rank(values, 0, 1))
    assert (off <= 40 * 6e-8 * total_abs).all()


def test_a_sum_can_be_begun_again():
    values = gradients(4)
    bucket = np.empty(values.shape[1], np.float32)
    tree = TreeSum(bucket)
    for _ in range(2):
        tree.reset()
        for i, value in enumerate(values):
            bucket[:] = value
            if i < 3:
                tree.add()
        tree.complete()
        np.testing.assert_array_equal(bucket, by_recursion(values))


def test_local_is_one_rank_and_changes_nothing():
    sync = Local()
    bucket = gradients(1)[0]
    before = bucket.copy()
    sync.reduce(bucket)
    sync.broadcast(bucket)
    sync.barrier()
    assert (sync.rank, sync.size) == (0, 1)
    np.testing.assert_array_equal(bucket, before)
