"""Threshold: y = 1 where x > threshold, else 0."""

from __future__ import annotations

from typing import Any

from netspec.layers.base import Run, layer
from netspec.layers.no_gradient import NoGradient


@layer("Threshold")
class Threshold(NoGradient):
    """Caffe's Threshold: the limit itself gives 0; there is no gradient."""

    allows_in_place = True

    def setup(self) -> None:
        """Read the limit."""
        self.limit: float = self.proto.threshold_param.threshold

    def forward(self, ops: Any, run: Run) -> None:
        """y = x > threshold."""
        ops.threshold(run.bottom[0], run.top[0], self.limit)
