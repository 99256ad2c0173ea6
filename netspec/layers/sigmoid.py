"""Sigmoid: y = 1 / (1 + exp(-x))."""

from __future__ import annotations

from typing import Any

from netspec.layers.base import Layer, Run, layer


@layer("Sigmoid")
class Sigmoid(Layer):
    """Caffe's Sigmoid."""

    allows_in_place = True
    backward_reads_bottom = False
    backward_reads_top = True

    def forward(self, ops: Any, run: Run) -> None:
        """y = 1 / (1 + exp(-x))."""
        ops.sigmoid(run.bottom[0], run.top[0])

    def backward(self, ops: Any, run: Run) -> None:
        """dx = dy · y · (1 - y)."""
        ops.sigmoid_backward(run.top[0], run.top_diff[0], run.bottom_diff[0])
