"""What element-wise layers share whose gradient is told from their input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.layers.base import Array, Layer, Run, Scratch, Shapes


class FromInput(Layer):
    """One bottom, one top of its shape; in place the input is kept for backward.

    (Caffe reads the overwritten input there, so that its gradient in place is wrong.)
    """

    allows_in_place = True

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """The input, where the output overwrites it."""
        return {"input": Scratch(bottom[0], training=True)} if in_place else {}

    def forward(self, ops: Any, run: Run) -> None:
        """Keep the input where backward needs it, and compute."""
        if "input" in run.scratch:
            ops.copy(run.bottom[0], run.scratch["input"])
        self.compute(ops, run.bottom[0], run.top[0])

    def backward(self, ops: Any, run: Run) -> None:
        """The gradient, from the input."""
        x = run.scratch.get("input", run.bottom[0])
        self.differentiate(ops, x, run.top_diff[0], run.bottom_diff[0])

    def compute(self, ops: Any, x: Array, y: Array) -> None:
        """y from x; they may be one array."""
        raise NotImplementedError(type(self).__name__)

    def differentiate(self, ops: Any, x: Array, dy: Array, dx: Array) -> None:
        """dx from x and dy; the latter may be one array."""
        raise NotImplementedError(type(self).__name__)
