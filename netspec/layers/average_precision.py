"""Average precision: how well a detector's scores put right detections before wrong.

Source: Everingham et al. 2010 (VOC), section 4.2; the three versions are SSD's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any

VERSIONS = ("Integral", "11point", "MaxIntegral")


def average_precision(scores: Array, right: Array, objects: int, version: str) -> float:
    """The average precision of one class, 0 where nothing is to be found.

    Args:
        scores, right: of all detections (D,): how sure they are, and whether right.
        objects: how many there are to be found.
        version: Integral, the area below precision over recall; MaxIntegral, the same
            with the best precision from each recall on (VOC since 2010); 11point, the
            mean of that at recalls 0, 0.1, ... 1 (VOC 2007).
    """
    if not len(scores) or not objects:
        return 0.0
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(right[order])
    precision, recall = found / np.arange(1, len(found) + 1), found / objects
    if version == "11point":
        return float(
            np.mean([_best_from(precision, recall, j / 10) for j in range(11)])
        )
    if version == "MaxIntegral":
        precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((precision * np.diff(recall, prepend=0)).sum())


def _best_from(precision: Array, recall: Array, least: float) -> float:
    return float(precision[recall >= least].max(initial=0))
