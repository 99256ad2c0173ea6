"""TanH: y = tanh(x)."""

from __future__ import annotations

from typing import Any

from netspec.layers.base import Layer, Run, layer


@layer("TanH")
class TanH(Layer):
    """Caffe's TanH."""

    allows_in_place = True
    backward_reads_bottom = False
    backward_reads_top = True

    def forward(self, ops: Any, run: Run) -> None:
        """y = tanh(x)."""
        ops.tanh(run.bottom[0], run.top[0])

    def backward(self, ops: Any, run: Run) -> None:
        """dx = dy · (1 - y²)."""
        ops.tanh_backward(run.top[0], run.top_diff[0], run.bottom_diff[0])
