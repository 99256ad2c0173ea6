"""What the three blobs of a BatchNorm mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = Any


def stored_statistics(blobs: Sequence[Array]) -> tuple[Array, Array]:
    """Mean and variance: the first two blobs by the third; a factor of 0 gives 0."""
    factor = np.float32(np.asarray(blobs[2]).reshape(-1)[0])
    share = np.float32(0) if factor == 0 else np.float32(1) / factor
    mean, variance = (np.asarray(b, np.float32) * share for b in blobs[:2])
    return mean, variance
