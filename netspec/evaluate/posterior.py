"""From scores to posteriors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


def softmax(scores: NDArray[np.floating]) -> Doubles:
    """exp(x) / Σ exp(x) along axis 1, in double precision."""
    wide = scores.astype(np.float64)
    powers = np.exp(wide - wide.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), np.float64)


def posteriors(scores: Floats, average: str) -> Doubles:
    """Posteriors (n, K) of scores (n, K) or of maps of scores (n, K, H, W).

    Args:
        average: ``scores``: the map is averaged before the softmax; ``posteriors``:
            after it.
    """
    maps = scores.reshape(*scores.shape[:2], -1)
    if average == "posteriors":
        return np.asarray(softmax(maps).mean(2), np.float64)
    return softmax(maps.mean(2, dtype=np.float64))
