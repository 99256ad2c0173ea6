"""What a convolution does to its sums before it stores them, as kernels take it."""

from __future__ import annotations

from typing import Any, NamedTuple

import cupy

from netspec.backends.base import Epilogue
from netspec.backends.cuda.launch import BLOCK, KernelFile, f64, i32

Array = Any

BIASED, SCALED, RECTIFIED, POOLED, VECTORS = (1 << i for i in range(5))
KERNELS = KernelFile("convolution")


class Finish(NamedTuple):
    """Arrays and flags that ``kernels/epilogue.cuh`` takes.

    Attributes:
        bias: (filters,), or None.
        terms: (2, filters), a factor and a summand that the bias is part of, or None.
        flags: the constants of this module.
    """

    bias: Array | None
    terms: Array | None
    flags: int

    @property
    def pools(self) -> bool:
        """Whether only the largest of 2 × 2 positions is stored."""
        return bool(self.flags & POOLED)

    def arrays(self) -> tuple[Array, Array]:
        """The bias and the terms; something else for what there is not: nobody reads
        it, but kernels take no null."""
        given = [a for a in (self.bias, self.terms) if a is not None]
        other = given[0] if given else cupy.empty(1, cupy.float32)
        bias = other if self.bias is None else self.bias
        return bias, other if self.terms is None else self.terms


def finish(filters: int, bias: Array | None, after: Epilogue | None = None) -> Finish:
    """The bias, where there is one, and what comes after it."""
    after = after or Epilogue()
    arrays = (after.mean, after.scale, after.shift)
    terms = None
    if any(a is not None for a in arrays):
        terms = _folded(filters, bias, after)
    flags = (
        (BIASED if bias is not None else 0)
        | (SCALED if terms is not None else 0)
        | (RECTIFIED if after.relu else 0)
        | (POOLED if after.pool else 0)
    )
    return Finish(bias, terms, flags)


def _folded(filters: int, bias: Array | None, after: Epilogue) -> Array:
    """Everything that is done filter by filter, as one factor and one summand."""
    given = (bias, after.mean, after.variance, after.scale, after.shift)
    terms = cupy.empty((2, filters), cupy.float32)
    # The kernel's flags, which mean and variance share.
    bits = zip(given, (1, 2, 2, 4, 8))
    flags = 0
    for array, bit in bits:
        flags |= bit if array is not None else 0
    other = next(array for array in given if array is not None)
    arrays = [other if array is None else array for array in given]
    grid = (-(-filters // BLOCK),)
    args = (*arrays, f64(after.eps), terms, i32(filters), i32(flags))
    KERNELS.launch("fold_terms", grid, (BLOCK,), args)
    return terms
