"""Softmax, its loss and the accuracy; results stay on the device."""

from __future__ import annotations

from typing import Any

import cupy

from netspec.backends.base import AxisSplit
from netspec.backends.cuda.launch import BLOCK, KernelFile, f32, i32, i64
from netspec.backends.cuda.rows import over_rows
from netspec.backends.cuda.sums import Parts, finish_loss

Array = Any

KERNELS = KernelFile("softmax")
ONE_BLOCK = 1024  # threads of a kernel that is a single block


def ignoring(ignore: int | None) -> tuple[Any, Any]:
    """The two arguments that tell a kernel which label does not count."""
    return i32(ignore is not None), f32(0 if ignore is None else ignore)


def counted_labels(
    labels: Array, ignore: int | None, divisor: float | None
) -> tuple[Array | None, float]:
    """What a loss is divided by: a count on the device, or else a number."""
    if divisor is not None or ignore is None:
        return None, max(1, labels.size) if divisor is None else divisor
    found = cupy.empty(1, cupy.float32)
    arguments = labels, found, i64(labels.size), f32(ignore)
    KERNELS.launch("count_labels", (1,), (ONE_BLOCK,), arguments)
    return found, 0.0


class CudaSoftmaxOps:
    """Over (outer, classes, inner)."""

    def softmax(self, x: Array, y: Array, axis: AxisSplit) -> None:
        """See :meth:`SoftmaxOps.softmax`."""
        _along(KERNELS, "softmax", "", (x, y), axis)

    def softmax_backward(self, y: Array, dy: Array, dx: Array, axis: AxisSplit) -> None:
        """See :meth:`SoftmaxOps.softmax_backward`."""
        _along(KERNELS, "softmax", "_backward", (y, dy, dx), axis)

    def first_bad_label(self, labels: Array, classes: int, ignore: int | None) -> int:
        """See :meth:`SoftmaxOps.first_bad_label`; waits for the device."""
        found = cupy.empty(1, cupy.int64)
        arguments = labels, found, i64(labels.size), f32(classes), *ignoring(ignore)
        KERNELS.launch("first_bad", (1,), (ONE_BLOCK,), arguments)
        return int(found.get()[0])

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
        self.softmax(x, prob, axis)
        counted, by = counted_labels(labels, ignore, divisor)
        numbers = i32(axis.size), i64(axis.inner), *ignoring(ignore), f32(smoothing)
        arrays = prob, labels
        parts = Parts.of_places(KERNELS, "losses", arrays, axis.places, *numbers)
        finish_loss(parts, loss, 1.0, counted, by)

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
        counted, by = counted_labels(labels, ignore, divisor)
        arrays = prob, labels, dloss, dloss if counted is None else counted, dx
        sizes = i64(prob.size), i32(axis.size), i64(axis.inner)
        numbers = *ignoring(ignore), f32(smoothing), f32(by)
        KERNELS.over("losses_backward", prob.size, (*arrays, *sizes, *numbers))

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
        """See :meth:`SoftmaxOps.accuracy`."""
        hits, places = cupy.empty(axis.places, cupy.int32), i64(axis.places)
        sizes = places, i32(axis.size), i64(axis.inner)
        numbers = *sizes, i32(top_k), *ignoring(ignore)
        arrays = x, labels, hits
        over_rows(KERNELS, "rank_labels", axis.places, axis.size, (*arrays, *numbers))
        shares = hits, y, places, f32(shards)
        KERNELS.launch("hit_share", (1,), (ONE_BLOCK,), shares)
        if per_class is not None:
            of_classes = hits, labels, per_class, places
            KERNELS.launch("class_shares", (axis.size,), (BLOCK,), of_classes)


def _along(
    kernels: KernelFile,
    kernel: str,
    suffix: str,
    arrays: tuple[Array, ...],
    axis: AxisSplit,
) -> None:
    """A row of threads for each place whose values lie side by side, else a thread."""
    sizes = i64(axis.places), i32(axis.size)
    if axis.inner == 1:
        arguments = *arrays, *sizes
        over_rows(kernels, f"{kernel}_rows{suffix}", axis.outer, axis.size, arguments)
    else:
        arguments = *arrays, *sizes, i64(axis.inner)
        kernels.over(f"{kernel}_places{suffix}", axis.places, arguments)
