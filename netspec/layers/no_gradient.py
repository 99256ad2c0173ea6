"""What layers share whose output has no gradient."""

from __future__ import annotations

from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Layer, Run


class NoGradient(Layer):
    """A layer that backward must not pass through."""

    backward_reads_bottom = False

    def backward(self, ops: Any, run: Run) -> None:
        """Refuse.

        Raises:
            SpecError: a layer below asks for a gradient.
        """
        if any(diff is not None for diff in run.bottom_diff):
            raise SpecError(
                "has no gradient, and one is asked for.",
                "Remove force_backward, or the loss_weight of its top.",
            )
