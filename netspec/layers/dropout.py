"""Dropout: in training each element is 0 with chance dropout_ratio, the rest scaled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Layer, Run, Scratch, Shapes, layer


@layer("Dropout")
class Dropout(Layer):
    """Caffe's Dropout: kept elements are scaled by 1 / (1 - ratio) in training, and
    TEST is the identity.

    The mask of a row depends on the key and on the row's number in the iteration's
    whole batch: see :mod:`netspec.random`.
    """

    allows_in_place = True
    backward_reads_bottom = False
    repeats = True

    def setup(self) -> None:
        """Read the ratio."""
        self.repeats = self.repeats and not self.training
        self.ratio: float = self.proto.dropout_param.dropout_ratio
        if not 0 <= self.ratio < 1:
            raise SpecError(
                f"dropout_ratio {self.ratio:g} is no chance to drop an element.",
                "Choose from 0 up to, and not including, 1.",
                field="dropout_param.dropout_ratio",
            )

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """The mask, one byte an element: 1 where it is kept."""
        return {"mask": Scratch(bottom[0], "uint8")} if self.training else {}

    def forward(self, ops: Any, run: Run) -> None:
        """Draw the mask and drop; in TEST copy."""
        x, y = run.bottom[0], run.top[0]
        if self.training:
            mask = run.scratch["mask"]
            ops.dropout(x, y, mask, self.ratio, run.key, run.first_sample)
        elif y is not x:
            ops.copy(x, y)

    def backward(self, ops: Any, run: Run) -> None:
        """Drop the gradient by the same mask."""
        dy, dx = run.top_diff[0], run.bottom_diff[0]
        if self.training:
            ops.dropout_backward(dy, run.scratch["mask"], dx, self.ratio)
        elif dx is not dy:
            ops.copy(dy, dx)
