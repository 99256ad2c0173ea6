"""Losses other than softmax's and the squared distance, each with its gradient.

A loss is a scalar array; so is ``dloss``, its weight.  Labels must have passed
``first_bad_label``.  Sums are taken in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.base import AxisSplit
from netspec.backends.reference.softmax import class_index, divide_by, split_axis

Array = Any

LEAST = 1e-20  # no logarithm is taken of less, as in Caffe
EPSILON = 1e-4  # added to the distance that a contrastive gradient is divided by


def _distances(a: Array, b: Array) -> Array:
    """Squared distance of each pair of rows, (N,), in float64."""
    difference = (a - b).astype(np.float64)
    return (difference * difference).sum(axis=1)


def _hinges(x: Array, labels: Array) -> tuple[Array, Array]:
    """Margins max(0, 1 - s x) of x (N, K), and s: 1 at the label, else -1."""
    sign = np.full_like(x, -1)
    rows = np.arange(len(x))
    sign[rows, labels.reshape(-1).astype(np.int64)] = 1
    return np.maximum(1 - sign * x, 0), sign


def _targets(x: Array, targets: Array, ignore: int | None) -> tuple[Array, Array]:
    """Targets shaped as x, and which of them count."""
    targets = targets.reshape(x.shape)
    counts = np.ones(x.shape, bool)
    return targets, counts if ignore is None else np.trunc(targets) != ignore


class LossOps:
    """What ContrastiveLoss, HingeLoss, InfogainLoss, MultinomialLogisticLoss and
    SigmoidCrossEntropyLoss compute."""

    @np.errstate(all="ignore")
    def contrastive_loss(
        self,
        a: Array,
        b: Array,
        similar: Array,
        loss: Array,
        margin: float,
        legacy: bool,
        factor: float,
    ) -> None:
        """loss = factor · Σ of d² for similar pairs, max(margin - d, 0)² for others.

        Args:
            a, b: (N, K); d is the distance of their rows.
            similar: (N,); cut to integers, not 0 for similar pairs.
            legacy: others cost max(margin - d², 0).
        """
        squared = _distances(a, b)
        if legacy:
            others = np.maximum(margin - squared, 0)
        else:
            others = np.maximum(margin - np.sqrt(squared), 0) ** 2
        alike = np.trunc(similar.reshape(-1)) != 0
        loss[...] = factor * np.where(alike, squared, others).sum()

    @np.errstate(all="ignore")
    def contrastive_loss_backward(
        self,
        a: Array,
        b: Array,
        similar: Array,
        dloss: Array,
        da: Array,
        margin: float,
        legacy: bool,
        factor: float,
    ) -> None:
        """da, the gradient of *a*; that of *b* is the same with a and b exchanged.

        As in Caffe 1e-4 is added to the distance that it is divided by.
        """
        squared = _distances(a, b)
        if legacy:
            others = np.where(margin > squared, -1.0, 0.0)
        else:
            distance = np.sqrt(squared)
            others = -np.maximum(margin - distance, 0) / (distance + EPSILON)
        alike = np.trunc(similar.reshape(-1)) != 0
        share = 2 * factor * dloss * np.where(alike, 1.0, others)
        np.subtract(a, b, out=da)
        np.multiply(da, share[:, None].astype(da.dtype), out=da)

    @np.errstate(all="ignore")
    def hinge_loss(
        self, x: Array, labels: Array, loss: Array, squares: bool, factor: float
    ) -> None:
        """loss = factor · Σ of max(0, 1 - s x), or of its squares.

        Args:
            x: (N, K); s is 1 in the column of a row's label and -1 elsewhere.
        """
        margins = _hinges(x, labels)[0].astype(np.float64)
        loss[...] = factor * (margins * margins if squares else margins).sum()

    @np.errstate(all="ignore")
    def hinge_loss_backward(
        self,
        x: Array,
        labels: Array,
        dloss: Array,
        dx: Array,
        squares: bool,
        factor: float,
    ) -> None:
        """dx of :meth:`hinge_loss`."""
        margins, sign = _hinges(x, labels)
        slope = 2 * margins if squares else np.sign(margins)
        np.multiply(-sign * slope, (factor * dloss).astype(dx.dtype), out=dx)

    @np.errstate(all="ignore")
    def log_loss(self, p: Array, labels: Array, loss: Array, factor: float) -> None:
        """loss = -factor · Σ log(p at the label), p (N, K) cut off at 1e-20."""
        picked = p[np.arange(len(p)), labels.reshape(-1).astype(np.int64)]
        logs = np.log(np.maximum(picked, LEAST), dtype=np.float64)
        loss[...] = -factor * logs.sum()

    @np.errstate(all="ignore")
    def log_loss_backward(
        self, p: Array, labels: Array, dloss: Array, dp: Array, factor: float
    ) -> None:
        """dp = -factor · dloss / max(p, 1e-20) at the label, else 0."""
        at = np.arange(len(p)), labels.reshape(-1).astype(np.int64)
        dp.fill(0)
        dp[at] = -factor * dloss / np.maximum(p[at], LEAST)

    @np.errstate(all="ignore")
    def infogain_loss(
        self,
        prob: Array,
        labels: Array,
        gain: Array,
        loss: Array,
        axis: AxisSplit,
        ignore: int | None = None,
        divisor: float | None = None,
    ) -> None:
        """loss = -Σ gain[label, k] · log(prob_k) / divisor, prob cut off at 1e-20.

        Args:
            gain: (K, K), K classes.
            divisor: None: the number of labels that count, at least 1.
        """
        index, counts = class_index(labels, axis, ignore)
        logs = np.log(np.maximum(split_axis(prob, axis), LEAST))
        weighted = _rows_at(gain, index) * logs * counts
        loss[...] = -weighted.sum(dtype=np.float64) / divide_by(divisor, counts)

    @np.errstate(all="ignore")
    def infogain_loss_backward(
        self,
        prob: Array,
        labels: Array,
        gain: Array,
        dloss: Array,
        dx: Array,
        axis: AxisSplit,
        ignore: int | None = None,
        divisor: float | None = None,
    ) -> None:
        """dx = (prob_k · Σ_j gain[label, j] - gain[label, k]) · dloss / divisor.

        The gradient of the scores whose softmax is *prob*; 0 where ignored.
        """
        index, counts = class_index(labels, axis, ignore)
        rows, out = _rows_at(gain, index), split_axis(dx, axis)
        scale = dloss.reshape(1, 1, 1) / divide_by(divisor, counts)
        total = gain.sum(axis=1)[index]
        np.multiply(split_axis(prob, axis), total, out=out)
        np.subtract(out, rows, out=out)
        np.multiply(out, (scale * counts).astype(dx.dtype), out=out)

    @np.errstate(all="ignore")
    def sigmoid_cross_entropy(
        self,
        x: Array,
        targets: Array,
        loss: Array,
        ignore: int | None = None,
        divisor: float | None = None,
    ) -> None:
        """loss = -Σ (t log s + (1 - t) log(1 - s)) / divisor, s the sigmoid of x.

        Args:
            targets: t, as many as x; those that are *ignore*, cut to integers, do not
                count.
            divisor: None: the number of targets that count, at least 1.
        """
        t, counts = _targets(x, targets, ignore)
        each = x * ((x >= 0) - t) + np.log1p(np.exp(-np.abs(x)))
        each = np.where(counts, each, 0)
        loss[...] = each.sum(dtype=np.float64) / divide_by(divisor, counts)

    @np.errstate(all="ignore")
    def sigmoid_cross_entropy_backward(
        self,
        x: Array,
        targets: Array,
        dloss: Array,
        dx: Array,
        ignore: int | None = None,
        divisor: float | None = None,
    ) -> None:
        """dx = (s - t) · dloss / divisor, 0 where ignored."""
        t, counts = _targets(x, targets, ignore)
        scale = dloss / divide_by(divisor, counts)
        slope = np.where(counts, 0.5 * np.tanh(0.5 * x) + 0.5 - t, 0)
        np.multiply(slope, scale.astype(dx.dtype), out=dx)


def _rows_at(gain: Array, index: Array) -> Array:
    """gain[index] (outer, K, inner) for an index (outer, 1, inner)."""
    return np.moveaxis(gain[index[:, 0]], -1, 1)
