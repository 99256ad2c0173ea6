from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.random import (
    Key,
    normal_fill,
    permutation,
    philox,
    uniform,
    uniform_fill,
    words,
)

ONES = 0xFFFFFFFF

# Known answers of the Random123 library for philox4x32 with 10 rounds.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((ONES,) * 4, (ONES,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.smoke
@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_philox_known_answers(counter, key, answer):
    drawn = philox(tuple(np.uint32(c) for c in counter), key)
    assert " ".join(f"{int(word):08x}" for word in drawn) == answer


def test_words_are_blocks_of_four_counted_per_sample():
    key = Key(0x1_2345_6789, "drop6/mask", iteration=0x7_0000_0009)
    drawn = words(key, samples=3, per_sample=10, first_sample=41)
    block = philox(tuple(map(np.uint32, (2, 43, 9, 7))), key.words)
    np.testing.assert_array_equal(drawn[2, 8:], [int(block[0]), int(block[1])])


@given(
    rows=st.integers(1, 9),
    per_sample=st.integers(1, 23),
    start=st.integers(0, 8),
    iteration=st.integers(0, 2**40),
)
def test_a_shard_draws_its_rows_of_the_whole_batch(rows, per_sample, start, iteration):
    key = Key(7, "drop", iteration)
    whole = words(key, start + rows, per_sample)
    np.testing.assert_array_equal(words(key, rows, per_sample, start), whole[start:])


def test_a_draw_depends_on_every_part_of_its_key():
    keys = [
        Key(1, "a"), Key(2, "a"), Key(1 + 2**32, "a"), Key(1, "b"),
        Key(1, "a", 1), Key(1, "a", 2**32),
    ]  # fmt: skip
    drawn = {words(key, 1, 8).tobytes() for key in keys}
    assert len(drawn) == len(keys)
    assert words(Key(1, "a").at(2**32), 1, 8).tobytes() in drawn


def test_uniform_is_flat_and_below_one():
    drawn = uniform(Key(3, "u"), 100, 1000)
    assert drawn.shape == (100, 1000)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    counts, _ = np.histogram(drawn, bins=20, range=(0, 1))
    # 5000 expected in each bin, standard deviation 69.
    assert abs(counts - 5000).max() < 5 * 69


def test_uniform_fill_reaches_both_ends_and_keeps_shape_and_type():
    out = np.empty((3, 700, 11), np.float32)
    uniform_fill(Key(5, "w"), out, -0.5, 2.0)
    assert -0.5 <= out.min() < -0.49
    assert 1.99 < out.max() <= 2.0
    # mean 0.75, standard deviation 2.5 / sqrt(12 n)
    assert abs(out.mean() - 0.75) < 5 * 2.5 / np.sqrt(12 * out.size)


def test_normal_fill_has_the_moments_and_tails_of_a_normal():
    out = np.empty(200_001)
    normal_fill(Key(5, "w"), out, 1.5, 2.0)
    z = (out - 1.5) / 2
    n = out.size
    assert abs(z.mean()) < 5 / np.sqrt(n)
    assert abs(z.std() - 1) < 5 / np.sqrt(2 * n)
    assert abs((z**3).mean()) < 5 * np.sqrt(15 / n)
    assert abs((z**4).mean() - 3) < 5 * np.sqrt(96 / n)
    assert np.isfinite(out).all()


def test_fillers_do_not_depend_on_the_shape_around_their_elements():
    flat, square = np.empty(1001), np.empty((7, 11, 13))
    for fill in (uniform_fill, normal_fill):
        fill(Key(5, "w"), flat, 0.0, 1.0)
        fill(Key(5, "w"), square, 0.0, 1.0)
        np.testing.assert_array_equal(flat, square.reshape(-1))


def test_long_streams_do_not_repeat_or_break_at_chunks(monkeypatch):
    whole = np.empty(5000)
    uniform_fill(Key(5, "w"), whole, 0.0, 1.0)
    monkeypatch.setattr("netspec.random._CHUNK", 256)
    pieces = np.empty(5000)
    uniform_fill(Key(5, "w"), pieces, 0.0, 1.0)
    np.testing.assert_array_equal(whole, pieces)
    assert len(np.unique(whole)) == 5000


@given(size=st.integers(0, 300), iteration=st.integers(0, 2**33))
def test_permutation_holds_every_number_once(size, iteration):
    order = permutation(Key(1, "shuffle", iteration), size)
    np.testing.assert_array_equal(np.sort(order), np.arange(size))
    again = permutation(Key(1, "shuffle", iteration), size)
    np.testing.assert_array_equal(order, again)


def test_permutations_of_two_epochs_differ():
    first, second = (permutation(Key(1, "shuffle", i), 50) for i in (0, 1))
    assert (first != second).any()


def test_a_stream_goes_on_beyond_32_bits():
    from netspec.random import stream_words

    key, edge = Key(3, "stream"), 1 << 32
    whole = stream_words(key, edge - 3, 7, 5)
    np.testing.assert_array_equal(whole[:3], words(key, 3, 5, edge - 3))
    np.testing.assert_array_equal(whole[3:], words(key.at(1), 4, 5, 0))
    np.testing.assert_array_equal(stream_words(key, edge - 1, 2, 5), whole[2:4])
