"""What a convolution does to its outputs before it stores them, as kernels take it.

Operations and their order are those of the layers that it stands for, so that the
result has the same bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from netspec.backends.base import Epilogue
from netspec.backends.cpu.frame import Array
from netspec.backends.cpu.threads import claim, share
from netspec.compiled import njit

TERMS = 5  # numbers of each filter
BIAS, MEAN, INVERSE, SCALE, SHIFT = range(TERMS)
NOTHING = np.empty(0, np.float32)
NEUTRAL = (0.0, 0.0, 1.0, 1.0, -0.0)  # x - 0, x · 1 and x + -0 are x, to the bit
NO_PLACES = np.empty((0, 0, 0, 0), np.uint8)


class Finish(NamedTuple):
    """An epilogue and the bias.

    Attributes:
        terms: (filters, TERMS) numbers t; an output is set to
            ((y + t[BIAS]) - t[MEAN]) t[INVERSE] t[SCALE] + t[SHIFT].
        scaled: whether any but the bias matters.
        adds: whether something is added to that.
        other: from an output to what is added to it, in bytes; 0: the output's own
            memory, with what it held.
        floor: what is less becomes that; -inf: nothing.
        pool: whether the largest of 2 × 2 positions is stored alone.
        places: get the place of each of these, unless there are none.
    """

    terms: Array
    scaled: bool
    adds: bool
    other: int
    floor: np.float32
    pool: bool
    places: Array


def finish(
    filters: int,
    bias: Array | None,
    after: Epilogue | None = None,
    y: Array | None = None,
) -> Finish:
    """The bias, where there is one, and what comes after it.

    Args:
        y: the outputs, where something is added to them.
    """
    after = after or Epilogue()
    terms = np.empty((filters, TERMS), np.float32)
    given = bias, after.mean, after.variance, after.scale, after.shift
    found = [NOTHING if each is None else each for each in given]
    share(_fill, 1, terms, *found, after.eps, once=True)
    is_affine = after.scale is not None or after.shift is not None
    floor = np.float32(0 if after.relu else -np.inf)
    places = NO_PLACES if after.places is None else after.places
    is_scaled = is_affine or after.mean is not None
    adds = after.other is not None
    other = after.other.ctypes.data - y.ctypes.data if adds and y is not None else 0
    return Finish(terms, is_scaled, adds, other, floor, after.pool, places)


@njit(nogil=True, cache=True)
def _fill(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, terms, bias, mean, variance, scale, shift, eps
):
    """Fill terms, in one task; what has no elements is neutral."""
    if claim(counter) == tasks:
        return
    for k in range(terms.shape[0]):
        for i in range(TERMS):
            terms[k, i] = NEUTRAL[i]
        if bias.size:
            terms[k, BIAS] = bias[k]
        if mean.size:
            terms[k, MEAN] = mean[k]
            terms[k, INVERSE] = 1.0 / np.sqrt(np.float64(variance[k]) + eps)
        if scale.size or shift.size:
            terms[k, SCALE] = scale[k] if scale.size else 1.0
            terms[k, SHIFT] = shift[k] if shift.size else 0.0
