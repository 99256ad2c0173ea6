"""BNLL: y = log(1 + exp(x))."""

from __future__ import annotations

from typing import Any

from netspec.layers.base import Layer, Run, layer


@layer("BNLL")
class BNLL(Layer):
    """Caffe's BNLL (softplus).

    The gradient is told from the output, so that it is right in place as well, where
    Caffe's takes the output for the input.
    """

    allows_in_place = True
    backward_reads_bottom = False
    backward_reads_top = True

    def forward(self, ops: Any, run: Run) -> None:
        """y = log(1 + exp(x))."""
        ops.softplus(run.bottom[0], run.top[0])

    def backward(self, ops: Any, run: Run) -> None:
        """dx = dy / (1 + exp(-x))."""
        ops.softplus_backward(run.top[0], run.top_diff[0], run.bottom_diff[0])
