"""Arrays with guards on both sides, that tell when a kernel wrote beyond its end."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

GUARD = 1024  # float32 values; wider than any vector, line or tile overrun is likely
SIGN = np.float32(-12345.678)


class Guards:
    """Makes guarded arrays and checks them all."""

    def __init__(self) -> None:
        self._made: list[tuple[str, np.ndarray, int, int]] = []

    def array(self, name: str, values: np.ndarray) -> np.ndarray:
        """A copy of *values*, 64-byte aligned, between two guards."""
        flat = self.flat(name, values.size)
        flat[...] = values.reshape(-1)
        return flat.reshape(values.shape)

    def flat(self, name: str, size: int) -> np.ndarray:
        """*size* float32 values, NaN at first, between two guards."""
        raw = np.full(size + 2 * GUARD + 16, SIGN, np.float32)
        start = GUARD + (-raw[GUARD:].ctypes.data % 64) // 4
        self._made.append((name, raw, start, start + size))
        raw[start : start + size] = np.nan
        return raw[start : start + size]

    def broken(self) -> list[str]:
        """Names of the arrays of which a guard was overwritten."""
        return [
            name
            for name, raw, start, end in self._made
            if not ((raw[:start] == SIGN).all() and (raw[end:] == SIGN).all())
        ]

    def scratch(self) -> Callable[[str, int], np.ndarray]:
        """In place of :func:`netspec.backends.cpu.threads.buffer`."""
        return lambda name, size: self.flat(f"scratch {name}", size)
