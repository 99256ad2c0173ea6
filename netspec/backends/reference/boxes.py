"""Boxes of detectors: decoding, and leaving out those that a better one covers.

A box is (left, top, right, bottom) as parts of the image.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.base import AxisSplit, BoxRule
from netspec.backends.reference.softmax import LEAST, split_axis

Array = Any


class BoxOps:
    """What DetectionOutput and MultiBoxLoss compute."""

    def decode_boxes(
        self, code: Array, priors: Array, boxes: Array, rule: BoxRule
    ) -> None:
        """Boxes from their codes relative to the priors.

        Args:
            code: (N, P, L, 4): for each image and prior one code a label.
            priors: (2, P, 4): boxes, and variances, which multiply the codes unless
                ``rule.variance_encoded``.
            boxes: (N, L, P, 4), filled.
        """
        prior, variance = priors
        code = code.transpose(0, 2, 1, 3)
        if not rule.variance_encoded:
            code = code * variance
        low, high = prior[:, :2], prior[:, 2:]
        size = high - low
        if rule.code == "CENTER_SIZE":
            center = code[..., :2] * size + (low + high) / 2
            half = np.exp(code[..., 2:]) * size / 2
            boxes[..., :2], boxes[..., 2:] = center - half, center + half
        elif rule.code == "CORNER_SIZE":
            boxes[...] = prior + code * np.concatenate([size, size], axis=-1)
        else:
            boxes[...] = prior + code

    def suppress(self, boxes: Array, scores: Array, rule: BoxRule) -> Array:
        """The boxes of one label that stay, best first.

        Those above the rule's score are gone through from the highest on; one stays
        that no box before it overlaps by more than the threshold.

        Args:
            boxes: (P, 4), in the host's memory on every backend.
            scores: (P,), likewise.

        Returns:
            Their numbers, int64.
        """
        order = candidates(scores, rule)
        kept: list[int] = []
        threshold = rule.overlap
        for p in order:
            if kept and (overlaps(boxes[p], boxes[kept]) > threshold).any():
                continue
            kept.append(p)
            if rule.eta < 1 and threshold > 0.5:
                threshold *= rule.eta
        return np.array(kept, np.int64)

    @np.errstate(all="ignore")
    def class_losses(
        self, x: Array, labels: Array, losses: Array, axis: AxisSplit, logistic: bool
    ) -> None:
        """The loss of each place's scores; none of a place is read by another.

        Args:
            labels: (outer, inner), each a class; *logistic*, a larger number is none.
            losses: (outer, inner), filled: -log(softmax at the label); or *logistic*,
                the cross entropies of all classes' sigmoids, of which the label's
                should be 1.
        """
        scores = split_axis(x, axis)
        index = labels.reshape(axis.outer, 1, axis.inner).astype(np.int64)
        at = np.minimum(index, axis.size - 1)
        own = np.where(index < axis.size, np.take_along_axis(scores, at, axis=1), 0)
        out = losses.reshape(axis.outer, axis.inner)
        if logistic:
            each = np.maximum(scores, 0) + np.log1p(np.exp(-np.abs(scores)))
            out[...] = each.sum(axis=1) - own[:, 0]
        else:
            most = scores.max(axis=1, keepdims=True)
            total = np.exp(scores - most).sum(axis=1)
            prob = np.exp(own[:, 0] - most[:, 0]) / total
            out[...] = -np.log(np.maximum(prob, LEAST))


def candidates(scores: Array, rule: BoxRule) -> Array:
    """Numbers of the boxes above the rule's score, best first, at most ``top_k``."""
    above = np.flatnonzero(scores > rule.score)
    order = above[np.argsort(-scores[above], kind="stable")]
    return order if rule.top_k < 0 else order[: rule.top_k]


def overlaps(box: Array, others: Array) -> Array:
    """Intersection over union of one box with others (K, 4); 0 for empty boxes."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    both = np.prod(np.maximum(high - low, 0), axis=1)
    union = _areas(box[None]) + _areas(others) - both
    return np.where(both > 0, both / np.where(union > 0, union, 1), 0)


def _areas(boxes: Array) -> Array:
    """0 where a box is turned inside out."""
    return np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
