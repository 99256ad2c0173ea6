"""The random words of a sample: what each is for, and what is made of it.

A word is 32 random bits. Which of a sample's words serves which purpose is fixed here,
so that a purpose that is added, or left out, changes none of the others.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from netspec.random import Key, Words, words

Row = list[int]  # the words of one sample; none where nothing is drawn

_WORD = 1 << 32


class Draw(IntEnum):
    """Where a purpose's word stands in a sample's row; SHIFT has four from there."""

    MIRROR = 0
    Y = 1
    X = 2
    SIDE = 3
    SHIFT = 4
    AREA = 8
    ASPECT = 9
    ANGLE = 10
    BRIGHTNESS = 11
    CONTRAST = 12
    SATURATION = 13
    HUE = 14


CAFFES, ALL = 4, 16  # words a sample: what Caffe's transformation needs, and all


def rows(key: Key, first: int, count: int, words_each: int) -> list[Row]:
    """The words of samples *first* to *first + count - 1*, numbered without an end."""
    drawn: list[Row] = _words(key, first, count, words_each).tolist()
    return drawn


def _words(key: Key, first: int, count: int, each: int) -> Words:
    """Sample numbers may pass 2³², where the generator's own end."""
    cycle, sample = divmod(first, _WORD)
    here = min(count, _WORD - sample)
    drawn = words(key.at(cycle), here, each, sample)
    if here == count:
        return drawn
    return np.concatenate((drawn, _words(key, first + here, count - here, each)))


def whole(word: int, count: int) -> int:
    """A whole number from 0 to *count* - 1, each as likely."""
    return word * count // _WORD


def real(word: int, low: float, high: float) -> float:
    """A number from *low* to *high*, without *high* itself."""
    return low + (high - low) * (word / _WORD)


def coin(word: int) -> bool:
    """Heads or tails."""
    return bool(word % 2)


def normals(four: Row) -> list[float]:
    """Four numbers from N(0, 1) by Box and Muller, of four words."""
    u = np.array(four, np.float64) / _WORD
    radius, angle = np.sqrt(-2 * np.log1p(-u[::2])), 2 * np.pi * u[1::2]
    pairs = np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1)
    return [float(value) for value in pairs.ravel()]
