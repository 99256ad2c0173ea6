"""Losses other than softmax's; results stay on the device."""

from __future__ import annotations

from typing import Any

import cupy

from netspec.backends.base import AxisSplit
from netspec.backends.cuda.launch import KernelFile, f32, f64, i32, i64
from netspec.backends.cuda.rows import over_rows
from netspec.backends.cuda.softmax import counted_labels, ignoring
from netspec.backends.cuda.sums import Parts, finish_loss, whole

Array = Any

KERNELS = KernelFile("losses")
SQUARES = KernelFile("elementwise")


class CudaLossOps:
    """Labels have passed ``first_bad_label``."""

    def squared_distance(self, a: Array, b: Array, y: Array, factor: float) -> None:
        """See :meth:`ElementwiseOps.squared_distance`."""
        finish_loss(whole("squared_distance", a, b), y, factor)

    def squared_distance_backward(
        self, a: Array, b: Array, dy: Array, da: Array, factor: float
    ) -> None:
        """See :meth:`ElementwiseOps.squared_distance_backward`."""
        arguments = a, b, dy, da, i64(a.size), f32(2 * factor)
        SQUARES.over("squared_distance_backward", a.size, arguments)

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
        """See :meth:`LossOps.contrastive_loss`."""
        arrays, numbers = (_distances(a, b), similar), (f64(margin), i32(legacy))
        parts = Parts.of_places(KERNELS, "contrastive", arrays, len(a), *numbers)
        finish_loss(parts, loss, factor)

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
        """See :meth:`LossOps.contrastive_loss_backward`."""
        arrays = a, b, _distances(a, b), similar, dloss, da
        sizes = i64(a.size), i64(a.size // max(1, len(a)))
        numbers = f64(margin), i32(legacy), f64(2 * factor)
        KERNELS.over("contrastive_backward", a.size, (*arrays, *sizes, *numbers))

    def hinge_loss(
        self, x: Array, labels: Array, loss: Array, squares: bool, factor: float
    ) -> None:
        """See :meth:`LossOps.hinge_loss`."""
        arrays, numbers = (x, labels), (i32(x.shape[1]), i32(squares))
        parts = Parts.of_places(KERNELS, "hinge", arrays, x.size, *numbers)
        finish_loss(parts, loss, factor)

    def hinge_loss_backward(
        self,
        x: Array,
        labels: Array,
        dloss: Array,
        dx: Array,
        squares: bool,
        factor: float,
    ) -> None:
        """See :meth:`LossOps.hinge_loss_backward`."""
        numbers = i64(x.size), i32(x.shape[1]), i32(squares), f32(factor)
        KERNELS.over("hinge_backward", x.size, (x, labels, dloss, dx, *numbers))

    def log_loss(self, p: Array, labels: Array, loss: Array, factor: float) -> None:
        """See :meth:`LossOps.log_loss`."""
        arrays, classes = (p, labels), i32(p.shape[1])
        parts = Parts.of_places(KERNELS, "log_losses", arrays, len(p), classes)
        finish_loss(parts, loss, -factor)

    def log_loss_backward(
        self, p: Array, labels: Array, dloss: Array, dp: Array, factor: float
    ) -> None:
        """See :meth:`LossOps.log_loss_backward`."""
        numbers = i64(p.size), i32(p.shape[1]), f32(factor)
        arguments = p, labels, dloss, dp, *numbers
        KERNELS.over("log_losses_backward", p.size, arguments)

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
        """See :meth:`LossOps.infogain_loss`."""
        counted, by = counted_labels(labels, ignore, divisor)
        arrays = prob, labels, gain
        numbers = i32(axis.size), i64(axis.inner), *ignoring(ignore)
        parts = Parts.of_places(KERNELS, "infogain", arrays, axis.places, *numbers)
        finish_loss(parts, loss, 1.0, counted, by)

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
        """See :meth:`LossOps.infogain_loss_backward`."""
        counted, by = counted_labels(labels, ignore, divisor)
        classes, totals = i32(axis.size), cupy.empty(axis.size, cupy.float32)
        sums = gain, totals, classes
        over_rows(KERNELS, "gain_totals", axis.size, axis.size, sums)
        weights = dloss, dloss if counted is None else counted
        sizes = i64(prob.size), classes, i64(axis.inner)
        numbers = *sizes, *ignoring(ignore), f32(by)
        arrays = prob, labels, gain, totals, *weights, dx
        KERNELS.over("infogain_backward", prob.size, (*arrays, *numbers))

    def sigmoid_cross_entropy(
        self,
        x: Array,
        targets: Array,
        loss: Array,
        ignore: int | None = None,
        divisor: float | None = None,
    ) -> None:
        """See :meth:`LossOps.sigmoid_cross_entropy`."""
        counted, by = counted_labels(targets, ignore, divisor)
        arrays, numbers = (x, targets), ignoring(ignore)
        parts = Parts.of_places(KERNELS, "sigmoid_losses", arrays, x.size, *numbers)
        finish_loss(parts, loss, 1.0, counted, by)

    def sigmoid_cross_entropy_backward(
        self,
        x: Array,
        targets: Array,
        dloss: Array,
        dx: Array,
        ignore: int | None = None,
        divisor: float | None = None,
    ) -> None:
        """See :meth:`LossOps.sigmoid_cross_entropy_backward`."""
        counted, by = counted_labels(targets, ignore, divisor)
        arrays = x, targets, dloss, dloss if counted is None else counted, dx
        numbers = i64(x.size), *ignoring(ignore), f32(by)
        KERNELS.over("sigmoid_losses_backward", x.size, (*arrays, *numbers))


def _distances(a: Array, b: Array) -> Array:
    """Squared distance of each pair of rows, (N,), in double precision."""
    squared = cupy.empty(len(a), cupy.float64)
    columns = a.size // max(1, len(a))
    arguments = a, b, squared, i64(len(a)), i64(columns)
    over_rows(KERNELS, "pair_distances", len(a), columns, arguments)
    return squared
