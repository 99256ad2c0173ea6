"""What a caller sees of a net's arrays: blobs and parameters with data and diff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netspec.shapes import Shape


@dataclass(frozen=True)
class Blob:
    """Data and diff of one blob or parameter, writable, in logical order.

    Both are views of the net's own memory: what a later pass computes appears in them.
    ``diff`` is None where the net has no use for one.
    """

    data: Any
    diff: Any

    @property
    def shape(self) -> Shape:
        """Shape of both."""
        return tuple(self.data.shape)

    def reshaped(self, shape: Shape) -> Blob:
        """The same memory under another shape of equal count."""
        diff = None if self.diff is None else self.diff.reshape(shape)
        return Blob(self.data.reshape(shape), diff)
