"""Counter-based random numbers: Philox-4x32-10, keyed by what a draw is for.

A draw is a pure function of a :class:`Key` and a counter, so it does not matter who
draws it, on which device, in which order, or how many draws came before; there is no
generator state to save.  Source: Salmon et al., "Parallel random numbers: as easy as
1, 2, 3" (2011); the known answers of its reference code are in the tests.

A counter is four 32-bit words ``(block, sample, iteration low, iteration high)``:
*block* numbers groups of four consecutive elements of one sample.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

_MULTIPLIER = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)

Words = NDArray[np.uint32]


@dataclass(frozen=True)
class Key:
    """What a draw is for: the run's seed, a purpose, and the iteration.

    *purpose* is text, for instance the layer's name and the use: ``"drop6/mask"``.
    """

    seed: int
    purpose: str
    iteration: int = 0

    @property
    def words(self) -> tuple[int, int]:
        """Philox's two key words: the seed, and the seed's rest with the purpose."""
        purpose = zlib.crc32(self.purpose.encode(), (self.seed >> 32) & 0xFFFFFFFF)
        return self.seed & 0xFFFFFFFF, purpose

    @property
    def high_counter(self) -> tuple[int, int]:
        """The upper two counter words: the iteration."""
        return self.iteration & 0xFFFFFFFF, (self.iteration >> 32) & 0xFFFFFFFF

    def at(self, iteration: int) -> Key:
        """The same purpose at another iteration."""
        return replace(self, iteration=iteration)


def philox(counter: tuple[ArrayLike, ...], key: tuple[int, int]) -> tuple[Words, ...]:
    """Four random words for each counter: the Philox-4x32-10 bijection.

    Args:
        counter: four broadcastable arrays of uint32.
        key: two 32-bit words.

    Returns:
        Four uint32 arrays of the broadcast shape.
    """
    c0, c1, c2, c3 = np.broadcast_arrays(*(np.asarray(c, np.uint64) for c in counter))
    k0, k1 = key
    for _ in range(_ROUNDS):
        a, b = c0 * _MULTIPLIER[0], c2 * _MULTIPLIER[1]
        c0, c2 = (b >> _HALF) ^ c1 ^ np.uint64(k0), (a >> _HALF) ^ c3 ^ np.uint64(k1)
        c1, c3 = b & _LOW, a & _LOW
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return tuple(c.astype(np.uint32) for c in (c0, c1, c2, c3))


def words(key: Key, samples: int, per_sample: int, first_sample: int = 0) -> Words:
    """Random words of shape ``(samples, per_sample)``; row *i* is sample
    ``first_sample + i``, so that a shard draws exactly its rows of the whole batch."""
    block = np.arange(-(-per_sample // 4), dtype=np.uint32)[None, :]
    sample = np.arange(first_sample, first_sample + samples, dtype=np.uint32)[:, None]
    low, high = key.high_counter
    four = philox((block, sample, np.uint32(low), np.uint32(high)), key.words)
    return np.stack(four, axis=-1).reshape(samples, -1)[:, :per_sample]


def stream_words(key: Key, first: int, samples: int, per_sample: int) -> Words:
    """The same for samples of a stream without end, from number *first* on.

    A sample's number has 32 bits; what is above them counts as the iteration.
    """
    cycle, sample = divmod(first, 1 << 32)
    here = min(samples, (1 << 32) - sample)
    drawn = words(key.at(cycle), here, per_sample, sample)
    if here == samples:
        return drawn
    rest = stream_words(key, first + here, samples - here, per_sample)
    return np.concatenate((drawn, rest))


def uniform(
    key: Key, samples: int, per_sample: int = 1, first_sample: int = 0
) -> NDArray[np.float64]:
    """Numbers in ``[0, 1)`` with 32 random bits, shape ``(samples, per_sample)``."""
    return np.multiply(words(key, samples, per_sample, first_sample), 2.0**-32)


_CHUNK = 1 << 20


def uniform_fill(key: Key, out: NDArray[np.floating], low: float, high: float) -> None:
    """Fill *out* (any shape, C order) with draws from ``[low, high)``."""
    for start, flat in _chunks(out):
        flat[...] = low + (high - low) * _stream(key, start, len(flat))


def normal_fill(key: Key, out: NDArray[np.floating], mean: float, std: float) -> None:
    """Fill *out* (any shape, C order) from N(mean, std²) by Box and Muller."""
    for start, flat in _chunks(out):
        pairs = -(-len(flat) // 2)
        u = _stream(key, start, 2 * pairs).reshape(pairs, 2)
        radius = std * np.sqrt(-2.0 * np.log1p(-u[:, 0]))
        angle = 2.0 * np.pi * u[:, 1]
        drawn = np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1)
        flat[...] = mean + drawn.reshape(-1)[: len(flat)]


def _chunks(
    out: NDArray[np.floating],
) -> Iterator[tuple[int, NDArray[np.floating]]]:
    flat = out.view()
    flat.shape = (-1,)  # refuses what is not contiguous, where reshape would copy
    for start in range(0, flat.size, _CHUNK):
        yield start, flat[start : start + _CHUNK]


def _stream(key: Key, start: int, length: int) -> NDArray[np.float64]:
    """Uniform draws *start* to *start + length* of one long stream (start % 4 == 0).

    NumPy's own Philox generates these, as the draws of a large filler are many and
    only ever made on the host; its raw words are fixed by NumPy's compatibility policy.
    """
    low, purpose = key.words
    bits = np.random.Philox(key=(purpose << 32) | low, counter=key.iteration << 128)
    bits.advance(start // 4)
    return np.multiply(bits.random_raw(length) >> np.uint64(11), 2.0**-53)


def permutation(key: Key, size: int) -> NDArray[np.int64]:
    """The numbers 0 to ``size - 1`` in an order that depends on the key alone."""
    low, purpose = key.words
    bits = np.random.Philox(key=(purpose << 32) | low, counter=key.iteration << 128)
    return np.argsort(bits.random_raw(size), kind="stable")
