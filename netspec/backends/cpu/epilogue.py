"""What a convolution does to its outputs before it stores them, as kernels take it.

Operations and their order are those of the layers that it stands for, so that the
result has the same bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from netspec.backends.base import Epilogue
from netspec.backends.cpu.batch_norm import inverse_deviation
from netspec.backends.cpu.frame import Array

TERMS = 5  # numbers of each filter
BIAS, MEAN, INVERSE, SCALE, SHIFT = range(TERMS)
NEUTRAL = (0.0, 0.0, 1.0, 1.0, -0.0)  # x - 0, x · 1 and x + -0 are x, to the bit

NO_PLACES = np.empty((0, 0, 0, 0), np.uint8)


class Finish(NamedTuple):
    """An epilogue and the bias.

    Attributes:
        terms: (filters, TERMS) numbers t; an output is set to
            ((y + t[BIAS]) - t[MEAN]) t[INVERSE] t[SCALE] + t[SHIFT].
        scaled: whether any but the bias matters.
        floor: what is less becomes that; -inf: nothing.
        pool: whether the largest of 2 × 2 positions is stored alone.
        places: get the place of each of these, unless there are none.
    """

    terms: Array
    scaled: bool
    floor: np.float32
    pool: bool
    places: Array


def finish(filters: int, bias: Array | None, after: Epilogue | None = None) -> Finish:
    """The bias, where there is one, and what comes after it."""
    after = after or Epilogue()
    terms = np.empty((filters, TERMS), np.float32)
    terms[:] = NEUTRAL
    if bias is not None:
        terms[:, BIAS] = bias
    if after.mean is not None:
        terms[:, MEAN] = after.mean
        terms[:, INVERSE] = inverse_deviation(after.variance, after.eps)
    is_affine = after.scale is not None or after.shift is not None
    if is_affine:
        terms[:, SCALE] = 1 if after.scale is None else after.scale
        terms[:, SHIFT] = 0 if after.shift is None else after.shift
    floor = np.float32(0 if after.relu else -np.inf)
    places = NO_PLACES if after.places is None else after.places
    is_scaled = is_affine or after.mean is not None
    return Finish(terms, is_scaled, floor, after.pool, places)
