"""Softmax, the loss on it, and the accuracy of scores against labels.

Scores lie along one axis of an array, seen as (outer, classes, inner): an
:class:`~netspec.backends.base.AxisSplit`.  Labels are one number a place, (outer,
inner), stored as floats and cut to integers; places whose label is *ignore* do not
count.  Labels must have passed :meth:`SoftmaxOps.first_bad_label`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.base import AxisSplit

Array = Any

# The least probability whose logarithm the loss takes, as Caffe does it: the smallest
# normal float32, in every float type.
LEAST = float(np.finfo(np.float32).tiny)


def split_axis(x: Array, axis: AxisSplit) -> Array:
    """A view (outer, classes, inner)."""
    return x.reshape(axis.outer, axis.size, axis.inner)


def class_index(
    labels: Array, axis: AxisSplit, ignore: int | None
) -> tuple[Array, Array]:
    """Class indices (outer, 1, inner), 0 where ignored; and which places count."""
    index = labels.reshape(axis.outer, 1, axis.inner).astype(np.int64)
    counts = np.ones_like(index, dtype=bool) if ignore is None else index != ignore
    return np.where(counts, index, 0), counts


def divide_by(divisor: float | None, counts: Array) -> float:
    """The divisor given, or the number of places that count, at least 1."""
    return max(1, int(counts.sum())) if divisor is None else divisor


class SoftmaxOps:
    """Softmax and what is computed from labelled scores."""

    @np.errstate(all="ignore")
    def softmax(self, x: Array, y: Array, axis: AxisSplit) -> None:
        """y = exp(x) / Σ exp(x) along the axis; y may be x."""
        scores, out = split_axis(x, axis), split_axis(y, axis)
        np.subtract(scores, scores.max(axis=1, keepdims=True), out=out)
        np.exp(out, out=out)
        np.divide(out, out.sum(axis=1, keepdims=True), out=out)

    def softmax_backward(self, y: Array, dy: Array, dx: Array, axis: AxisSplit) -> None:
        """dx = y · (dy - Σ dy · y); dx may be dy."""
        out, slope, prob = (split_axis(a, axis) for a in (dx, dy, y))
        np.subtract(slope, (slope * prob).sum(axis=1, keepdims=True), out=out)
        np.multiply(out, prob, out=out)

    def first_bad_label(self, labels: Array, classes: int, ignore: int | None) -> int:
        """Position of the first label that is neither a class nor ignored, or -1."""
        flat = labels.reshape(-1)
        good = (flat > -1) & (flat < classes)
        if ignore is not None:
            good |= np.trunc(flat) == ignore
        return -1 if good.all() else int((~good).argmax())

    @np.errstate(all="ignore")
    def softmax_loss(
        self,
        x: Array,
        labels: Array,
        prob: Array,
        loss: Array,
        axis: AxisSplit,
        ignore: int | None = None,
        divisor: float | None = None,
        smoothing: float = 0.0,
    ) -> None:
        """prob = softmax of x; loss (scalar) = -Σ log(prob of the label) / divisor.

        A *divisor* of None is the number of labels that count, at least 1.  With
        *smoothing*, all of a place's classes share that part of its logarithm alike.
        """
        self.softmax(x, prob, axis)
        index, counts = class_index(labels, axis, ignore)
        picked = np.take_along_axis(split_axis(prob, axis), index, axis=1)
        losses = -np.log(np.maximum(picked, LEAST))
        if smoothing:
            every = -np.log(np.maximum(split_axis(prob, axis), LEAST))
            mean = every.mean(axis=1, keepdims=True)
            losses = (1 - smoothing) * losses + smoothing * mean
        losses = np.where(counts, losses, 0)
        loss[...] = losses.sum(dtype=np.float64) / divide_by(divisor, counts)

    def softmax_loss_backward(
        self,
        prob: Array,
        labels: Array,
        dloss: Array,
        dx: Array,
        axis: AxisSplit,
        ignore: int | None = None,
        divisor: float | None = None,
        smoothing: float = 0.0,
    ) -> None:
        """dx = (prob - target) · dloss / divisor, 0 where ignored.

        The target is 1 - *smoothing* at the label, plus *smoothing* / classes for all.
        """
        index, counts = class_index(labels, axis, ignore)
        out = split_axis(dx, axis)
        scale = dloss.reshape(1, 1, 1) / divide_by(divisor, counts)
        out[...] = split_axis(prob, axis)
        if smoothing:
            out -= smoothing / axis.size
        at_label = np.take_along_axis(out, index, axis=1)
        np.put_along_axis(out, index, at_label - (1 - smoothing), axis=1)
        np.multiply(out, (scale * counts).astype(dx.dtype), out=out)

    def accuracy(
        self,
        x: Array,
        labels: Array,
        y: Array,
        per_class: Array | None,
        axis: AxisSplit,
        top_k: int = 1,
        ignore: int | None = None,
        shards: int = 1,
    ) -> None:
        """y (scalar) = share of labels that are among the *top_k* highest scores.

        A tie counts against the label, and so does a score that is not a number.
        *per_class* (classes), where wanted, is the share for each class, 0 for a
        class without labels.  With *shards*, y is divided by their number.
        """
        index, counts = class_index(labels, axis, ignore)
        scores = split_axis(x, axis)
        own = np.take_along_axis(scores, index, axis=1)
        better = (~(scores < own)).sum(axis=1, keepdims=True) - 1
        right = (better < top_k) & counts
        y[...] = right.sum() / (divide_by(None, counts) * shards)
        if per_class is not None:
            classes = np.arange(axis.size).reshape(1, -1, 1)
            at = (index == classes) & counts
            seen = at.sum(axis=(0, 2))
            per_class[...] = (at & right).sum(axis=(0, 2)) / np.maximum(seen, 1)
