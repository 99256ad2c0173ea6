"""Boxes of detectors: decoded on the device, chosen on the host."""

from __future__ import annotations

from typing import Any

from netspec.backends.base import AxisSplit, BoxRule
from netspec.backends.cpu.boxes import CpuBoxOps
from netspec.backends.cuda.launch import KernelFile, i32, i64
from netspec.backends.cuda.rows import over_rows

Array = Any

KERNELS = KernelFile("boxes")
KINDS = {"CORNER": 0, "CENTER_SIZE": 1, "CORNER_SIZE": 2}


class CudaBoxOps:
    """What DetectionOutput and MultiBoxLoss compute."""

    def decode_boxes(
        self, code: Array, priors: Array, boxes: Array, rule: BoxRule
    ) -> None:
        """See :meth:`BoxOps.decode_boxes`."""
        _, labels, number, _ = boxes.shape
        numbers = i64(boxes.size // 4), i32(labels), i64(number)
        kind = i32(KINDS[rule.code]), i32(rule.variance_encoded)
        arguments = code, priors, boxes, *numbers, *kind
        KERNELS.over("decode_boxes", boxes.size // 4, arguments)

    def suppress(self, boxes: Array, scores: Array, rule: BoxRule) -> Array:
        """See :meth:`BoxOps.suppress`: done by the CPU, box after box."""
        return CpuBoxOps().suppress(boxes, scores, rule)

    def class_losses(
        self, x: Array, labels: Array, losses: Array, axis: AxisSplit, logistic: bool
    ) -> None:
        """See :meth:`BoxOps.class_losses`."""
        sizes = i64(axis.places), i32(axis.size), i64(axis.inner)
        arguments = x, labels, losses, *sizes, i32(logistic)
        over_rows(KERNELS, "class_losses", axis.places, axis.size, arguments)
