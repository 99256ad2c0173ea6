"""The random generator for compiled kernels."""

from __future__ import annotations

import numpy as np

from netspec.compiled import njit

WORD = 0xFFFFFFFF


@njit(cache=True, nogil=True)
def philox(c0, c1, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    """Four random words of one counter, as `netspec.random.philox` has them."""
    low, half = np.uint64(WORD), np.uint64(32)
    for _ in range(10):
        a = c0 * np.uint64(0xD2511F53)
        b = c2 * np.uint64(0xCD9E8D57)
        c0, c2 = (b >> half) ^ c1 ^ k0, (a >> half) ^ c3 ^ k1
        c1, c3 = b & low, a & low
        k0 = (k0 + np.uint64(0x9E3779B9)) & low
        k1 = (k1 + np.uint64(0xBB67AE85)) & low
    return c0, c1, c2, c3
