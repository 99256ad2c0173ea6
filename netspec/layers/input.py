"""Input: blobs whose values the caller sets."""

from __future__ import annotations

from netspec.layers.base import Shapes, at_least, layer
from netspec.layers.source import Source, one_for_all, positive


@layer("Input")
class Input(Source):
    """Caffe's Input: one shape for all tops, or one each."""

    tops = at_least(1)

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The shapes written in the file."""
        field = "input_param.shape"
        shapes = [tuple(s.dim) for s in self.proto.input_param.shape]
        for shape in shapes:
            for dim in shape:
                positive(dim, f"{field}.dim")
        return tuple(one_for_all(shapes, len(self.proto.top), field))
