"""Compiled loops over pixels; imported where they are used, as Numba takes its time."""

from __future__ import annotations

from netspec.compiled import njit


@njit(cache=True, nogil=True)
def resize_kernel(source, across, down, out):  # type: ignore[no-untyped-def]
    """Fill *out* (h, w, C) from *source* (H, W, C); see :mod:`netspec.data.resize`."""
    left, right, left_weight, right_weight = across
    above, below, above_weight, below_weight = down
    for y in range(out.shape[0]):
        upper, lower = source[above[y]], source[below[y]]
        for x in range(out.shape[1]):
            a, b, p, q = left[x], right[x], left_weight[x], right_weight[x]
            for c in range(out.shape[2]):
                top = (upper[a, c] * p + upper[b, c] * q) >> 4
                bottom = (lower[a, c] * p + lower[b, c] * q) >> 4
                blend = (top * above_weight[y] >> 16) + (bottom * below_weight[y] >> 16)
                out[y, x, c] = (blend + 2) >> 2
