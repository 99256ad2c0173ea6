"""LRN: local response normalisation, across channels or within each."""

from __future__ import annotations

from typing import Any

from netspec.backends.base import LrnWindow
from netspec.errors import SpecError
from netspec.layers.base import Layer, Run, Shapes, Window, layer
from netspec.proto import LRNParameter
from netspec.shapes import describe

PREFIX = "lrn_param"


@layer("LRN")
class LRN(Layer):
    """Caffe's LRN: y = x (k + alpha / n Σ x²)^-beta over a window around each value.

    The window is local_size channels, n = local_size; or, WITHIN_CHANNEL, local_size ×
    local_size places of one channel, n = local_size²; there k is 1 whatever the file
    says, as in Caffe.
    """

    repeats = True

    def setup(self) -> None:
        """Read lrn_param."""
        message = self.proto.lrn_param
        self.within = message.norm_region == LRNParameter.WITHIN_CHANNEL
        k = 1.0 if self.within else message.k
        self.window = LrnWindow(message.local_size, message.alpha, message.beta, k)
        if message.local_size % 2 == 0:
            raise SpecError(
                f"local_size is {message.local_size}.",
                "It must be odd, so that the window has a middle.",
                field=f"{PREFIX}.local_size",
            )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The bottom's, which must have four axes."""
        if len(bottom[0]) != 4:
            raise SpecError(
                f"bottom has shape {describe(bottom[0])}.",
                "LRN takes four axes: N x C x H x W.",
                field="bottom",
            )
        return bottom

    def receptive(self, bottom: Shapes) -> Window | None:
        """The window, where it lies in the plane."""
        if not self.within:
            return None
        size = self.window.size
        return Window((size, size), (1, 1), (size // 2, size // 2), (1, 1))

    def forward(self, ops: Any, run: Run) -> None:
        """Normalise."""
        operation = ops.lrn_within if self.within else ops.lrn_across
        operation(run.bottom[0], run.top[0], self.window)

    def backward(self, ops: Any, run: Run) -> None:
        """Gradient of the bottom, from the bottom and the top's gradient."""
        if run.bottom_diff[0] is None:
            return
        across, within = ops.lrn_across_backward, ops.lrn_within_backward
        operation = within if self.within else across
        operation(run.bottom[0], run.top_diff[0], run.bottom_diff[0], self.window)
