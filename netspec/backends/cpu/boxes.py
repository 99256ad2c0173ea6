"""Boxes of detectors by compiled loops."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.base import BoxRule
from netspec.backends.reference.boxes import BoxOps, candidates
from netspec.compiled import njit

Array = Any


class CpuBoxOps(BoxOps):
    """float32 by a kernel; other types as the reference does."""

    def suppress(self, boxes: Array, scores: Array, rule: BoxRule) -> Array:
        """See :meth:`BoxOps.suppress`."""
        if boxes.dtype != np.float32:
            return super().suppress(boxes, scores, rule)
        order = candidates(scores, rule)
        number = _suppress(boxes, order, np.float32(rule.overlap), np.float32(rule.eta))
        return order[:number]


@njit(cache=True, nogil=True)
def _suppress(boxes, order, threshold, eta):  # type: ignore[no-untyped-def]
    """Move the boxes that stay to the front of *order*; how many they are."""
    kept = 0
    for i in range(order.size):
        p, stays = order[i], True
        for k in range(kept):
            if _overlap(boxes[p], boxes[order[k]]) > threshold:
                stays = False
                break
        if stays:
            order[kept] = p
            kept += 1
            if eta < 1 and threshold > 0.5:
                threshold *= eta
    return kept


@njit(cache=True, nogil=True)
def _overlap(a, b):  # type: ignore[no-untyped-def]
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return np.float32(0)
    both = width * height
    return both / (_area(a) + _area(b) - both)


@njit(cache=True, nogil=True)
def _area(box):  # type: ignore[no-untyped-def]
    zero = np.float32(0)
    return max(box[2] - box[0], zero) * max(box[3] - box[1], zero)
