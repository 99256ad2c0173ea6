"""Silence: reads blobs so that they are no outputs of the net."""

from __future__ import annotations

from typing import Any

from netspec.layers.base import Layer, Run, Shapes, at_least, exactly, layer


@layer("Silence")
class Silence(Layer):
    """Caffe's Silence: no tops, and a gradient of 0 for its bottoms."""

    bottoms, tops = at_least(1), exactly(0)
    backward_reads_bottom = False

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """No tops."""
        return ()

    def forward(self, ops: Any, run: Run) -> None:
        """Nothing."""

    def backward(self, ops: Any, run: Run) -> None:
        """Zeros."""
        for dx in run.bottom_diff:
            if dx is not None:
                ops.fill(dx, 0.0)
