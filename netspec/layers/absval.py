"""AbsVal: y = |x|."""

from __future__ import annotations

from typing import Any

from netspec.layers.base import Layer, Run, layer


@layer("AbsVal")
class AbsVal(Layer):
    """Caffe's AbsVal: no gradient at 0, and not in place."""

    def forward(self, ops: Any, run: Run) -> None:
        """y = |x|."""
        ops.absolute(run.bottom[0], run.top[0])

    def backward(self, ops: Any, run: Run) -> None:
        """dx = dy · sign(x)."""
        ops.absolute_backward(run.bottom[0], run.top_diff[0], run.bottom_diff[0])
