"""Which priors of a detector stand for which true box, and whose scores count.

Host arithmetic of MultiBoxLoss.  A box is (left, top, right, bottom) as parts of the
image; truths are numbered within their image.  Source: SSD's ``bbox_util``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = Any
Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]

ROW = 8  # image, label, instance, four corners, difficult
NOBODY, IGNORED = -1, -2  # what a prior may be matched with
_LEAST_OVERLAP = 1e-6  # overlaps up to this are none


@dataclass(frozen=True)
class Truth:
    """The objects of one image.

    Attributes:
        boxes: (G, 4).
        labels: (G,).
        difficult: (G,).
    """

    boxes: Array
    labels: Numbers
    difficult: Mask


def truths(rows: Array, batch: int) -> list[Truth]:
    """The objects of each image of a batch.

    Args:
        rows: (batch, 1, most, 8), an image's own; or (1, 1, all, 8), which hold the
            images' numbers.  Rows of an image below 0 stand for nothing.
    """
    if rows.shape[0] == batch:
        own = list(rows.reshape(batch, -1, ROW))
    else:
        flat = rows.reshape(-1, ROW)
        own = [flat[flat[:, 0].astype(np.int64) == image] for image in range(batch)]
    return [_truth(part[part[:, 0] > -1]) for part in own]


def _truth(rows: Array) -> Truth:
    return Truth(rows[:, 3:7], rows[:, 1].astype(np.int64), rows[:, 7] != 0)


def without_difficult(truth: Truth) -> Truth:
    """The objects that are not difficult."""
    kept = ~truth.difficult
    return Truth(truth.boxes[kept], truth.labels[kept], truth.difficult[kept])


def overlaps(boxes: Array, others: Array) -> Array:
    """Intersection over union of boxes (P, 4) with others (G, 4): (P, G)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    both = np.prod(np.maximum(high - low, 0), axis=2)
    union = areas(boxes)[:, None] + areas(others)[None] - both
    return np.where(both > 0, both / np.where(union > 0, union, 1), 0)


def areas(boxes: Array) -> Array:
    """Areas of boxes (P, 4); 0 where one is turned inside out."""
    return np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)


def beyond(boxes: Array) -> Mask:
    """Which sides of boxes (P, 4) are not within the image: (P, 4)."""
    outside: Mask = (boxes < 0) | (boxes > 1)
    return outside


def match(
    boxes: Array, truth: Array, threshold: float | None, within: bool
) -> tuple[Numbers, Array]:
    """The true box that each box stands for, and how far it overlaps one.

    First each true box gets one box, of the largest overlaps first; then, with a
    *threshold*, each other box the true one that it overlaps most, by that at least.

    Args:
        boxes, truth: (P, 4) and (G, 4).
        within: ignore boxes that reach beyond the image.

    Returns:
        (P,) each: a number of a true box, NOBODY or IGNORED; the overlap.
    """
    shared = overlaps(boxes, truth)
    shared[shared <= _LEAST_OVERLAP] = 0
    found = np.full(len(boxes), NOBODY, np.int64)
    if within and len(truth):
        outside = beyond(boxes).any(axis=1)
        found[outside], shared[outside] = IGNORED, 0
    most = shared.max(axis=1, initial=0)
    _one_each(shared, found)
    if threshold is not None and len(truth):
        left = (found == NOBODY) & (most >= threshold) & (most > 0)
        found[left] = shared[left].argmax(axis=1)
    return found, most


def _one_each(shared: Array, found: Numbers) -> None:
    """Give each true box the box of the largest overlap that is left, if any is."""
    left = shared.copy()
    for _ in range(shared.shape[1]):
        box, true = divmod(int(left.argmax()), shared.shape[1])
        if left[box, true] <= 0:
            return
        found[box] = true
        left[box], left[:, true] = 0, 0


def codes(truth: Array, priors: Array, code: str) -> Array:
    """Codes of true boxes relative to priors (K, 4 each), before their variances."""
    size = priors[:, 2:] - priors[:, :2]
    if code == "CENTER_SIZE":
        center = (truth[:, :2] + truth[:, 2:] - priors[:, :2] - priors[:, 2:]) / 2
        ratio = (truth[:, 2:] - truth[:, :2]) / size
        return np.concatenate([center / size, np.log(ratio)], axis=1)
    if code == "CORNER_SIZE":
        return (truth - priors) / np.concatenate([size, size], axis=1)
    return truth - priors


def hardest(losses: Array, eligible: Mask, most: int) -> Numbers:
    """Numbers of the eligible of the highest losses, *most* of them at most."""
    numbers = np.flatnonzero(eligible)
    order = np.argsort(-losses[numbers], kind="stable")
    return numbers[order[:most]]
