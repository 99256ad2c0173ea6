"""Boxes of detectors: decoded on the device, chosen on the host."""

from __future__ import annotations

from typing import Any

import cupy

from netspec.backends.base import BoxRule
from netspec.backends.cuda.launch import KernelFile, i32, i64
from netspec.backends.reference.boxes import BoxOps

Array = Any

KERNELS = KernelFile("boxes")
KINDS = {"CORNER": 0, "CENTER_SIZE": 1, "CORNER_SIZE": 2}


class CudaBoxOps:
    """What DetectionOutput computes."""

    def decode_boxes(
        self, code: Array, priors: Array, boxes: Array, rule: BoxRule
    ) -> None:
        """See the reference."""
        _, labels, number, _ = boxes.shape
        numbers = i64(boxes.size // 4), i32(labels), i64(number)
        kind = i32(KINDS[rule.code]), i32(rule.variance_encoded)
        arguments = code, priors, boxes, *numbers, *kind
        KERNELS.over("decode_boxes", boxes.size // 4, arguments)

    def suppress(self, boxes: Array, scores: Array, rule: BoxRule) -> Array:
        """See the reference: done on the host, box after box, as each decides."""
        kept = BoxOps().suppress(boxes.get(), scores.get(), rule)
        return cupy.asarray(kept)
