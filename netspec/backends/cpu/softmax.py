"""Softmax and the loss on it by compiled kernels, where places are rows of scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.base import AxisSplit
from netspec.backends.cpu.elementwise import as_vectors
from netspec.backends.cpu.pieces import over
from netspec.backends.cpu.recording import launches
from netspec.backends.cpu.threads import claim
from netspec.backends.cpu.vector_math import exp
from netspec.backends.reference.softmax import LEAST, SoftmaxOps
from netspec.compiled import njit

Array = Any

EFFORT = 16  # operations for each score, roughly
NONE = np.iinfo(np.int64).min  # a label that no integer part is
_LEAST = np.float32(LEAST)
_LOWEST, _NAN = np.float32(-np.inf), np.float32(np.nan)


class CpuSoftmaxOps(SoftmaxOps):
    """float32 rows by kernels; the rest as the reference does."""

    @launches
    def softmax(self, x: Array, y: Array, axis: AxisSplit) -> None:
        """See :meth:`SoftmaxOps.softmax`."""
        if axis.inner > 1 or as_vectors(x, y) is None:
            super().softmax(x, y, axis)
        else:
            rows = (a.reshape(axis.outer, axis.size) for a in (x, y))
            over(_softmax, axis.outer, axis.size, *rows, effort=EFFORT)

    def first_bad_label(self, labels: Array, classes: int, ignore: int | None) -> int:
        """See :meth:`SoftmaxOps.first_bad_label`."""
        if as_vectors(labels) is None:
            return super().first_bad_label(labels, classes, ignore)
        return int(_first_bad(labels.reshape(-1), classes, _or_none(ignore)))

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
        """See :meth:`SoftmaxOps.softmax_loss`."""
        arrays = x, labels, prob
        if axis.inner > 1 or smoothing or as_vectors(*arrays) is None:
            super().softmax_loss(
                x, labels, prob, loss, axis, ignore, divisor, smoothing
            )
            return
        self.softmax(x, prob, axis)
        rows, ignored = prob.reshape(axis.outer, axis.size), _or_none(ignore)
        total, counted = _loss(rows, labels.reshape(-1), ignored)
        loss[...] = total / (max(1, counted) if divisor is None else divisor)

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
        """See :meth:`SoftmaxOps.softmax_loss_backward`."""
        arrays = prob, labels, dx
        if axis.inner > 1 or as_vectors(*arrays) is None:
            super().softmax_loss_backward(
                prob, labels, dloss, dx, axis, ignore, divisor, smoothing
            )
            return
        places, ignored = labels.reshape(-1), _or_none(ignore)
        if divisor is None:
            divisor = max(1, int(_count(places, ignored)))
        scale = np.float32(dloss.reshape(-1)[0] / divisor)
        target = np.float32(1 - smoothing), np.float32(smoothing / axis.size)
        rows = (a.reshape(axis.outer, axis.size) for a in (prob, dx))
        over(_gradient, axis.outer, axis.size, *rows, places, ignored, scale, target)


def _or_none(ignore: int | None) -> int:
    return NONE if ignore is None else ignore


@njit(cache=True, nogil=True)
def _softmax(counter, tasks, workspace, group, x, y):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        for n in range(task * group, min((task + 1) * group, len(x))):
            scores, out = x[n], y[n]
            best = _LOWEST
            for i in range(scores.size):
                best = scores[i] if scores[i] > best else best
            for i in range(scores.size):
                out[i] = exp(scores[i] - best)
            whole = np.float32(_sum(out))
            for i in range(scores.size):
                out[i] /= whole
        task = claim(counter)


# "reassoc" lets the compiler keep one partial sum a vector lane; how many there are is
# fixed when it compiles.
@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _sum(values):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(values.size):
        total += np.float64(values[i])
    return total


@njit(cache=True, nogil=True)
def _loss(prob, labels, ignored):  # type: ignore[no-untyped-def]
    """The sum of losses, in order of the rows, and how many labels count."""
    total, counted = 0.0, 0
    for n in range(len(prob)):
        label = np.int64(labels[n])
        if label != ignored:
            is_class = 0 <= label < prob.shape[1]  # NaN tells of one that is not
            chance = prob[n, label] if is_class else _NAN
            total -= np.float64(np.log(_LEAST if chance < _LEAST else chance))
            counted += 1
    return total, counted


@njit(cache=True, nogil=True)
def _count(labels, ignored):  # type: ignore[no-untyped-def]
    counted = 0
    for n in range(labels.size):
        counted += np.int64(labels[n]) != ignored
    return counted


@njit(cache=True, nogil=True)
def _gradient(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, group, prob, dx, labels, ignored, scale, target
):
    at_label, at_all = target
    task = claim(counter)
    while task < tasks:
        for n in range(task * group, min((task + 1) * group, len(prob))):
            label, source, out = np.int64(labels[n]), prob[n], dx[n]
            factor = np.float32(0) if label == ignored else scale
            for i in range(source.size):
                out[i] = (source[i] - at_all) * factor
            if label != ignored and 0 <= label < source.size:
                out[label] = (source[label] - at_all - at_label) * factor
        task = claim(counter)


@njit(cache=True, nogil=True)
def _first_bad(labels, classes, ignored):  # type: ignore[no-untyped-def]
    for n in range(labels.size):
        label = labels[n]
        good = (label > -1) & (label < classes)
        if not (good or (ignored != NONE and np.trunc(label) == ignored)):
            return n
    return -1
