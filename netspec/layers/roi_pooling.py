"""ROIPooling: the maxima of the bins of regions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Run, Scratch, Shapes, layer
from netspec.layers.region_pooling import RegionPooling


@layer("ROIPooling")
class ROIPooling(RegionPooling):
    """Fast R-CNN's ROIPooling: regions to (R, C, pooled_h, pooled_w).

    Bins overlap where a region's size on the map is no multiple of their number.
    """

    def setup(self) -> None:
        """Read roi_pooling_param."""
        message = self.proto.roi_pooling_param
        self.bins = (message.pooled_h, message.pooled_w)
        self.scale: float = message.spatial_scale
        for name, number in zip(("pooled_h", "pooled_w"), self.bins):
            if number < 1:
                raise SpecError(
                    f"{name} is missing or 0.",
                    "Give at least 1.",
                    field=f"roi_pooling_param.{name}",
                )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The bins of every region and channel."""
        self.check_bottoms(bottom)
        return ((bottom[1][0], bottom[0][1], *self.bins),)

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """Where each maximum lies."""
        return {"index": Scratch(self.infer_shapes(bottom)[0], "int32")}

    def forward(self, ops: Any, run: Run) -> None:
        """Pool every region.

        Raises:
            DataError: a region of an image that is not there.
        """
        regions, index = self.regions(ops, run), run.scratch["index"]
        ops.region_max(run.bottom[0], regions, run.top[0], index, self.scale)

    def backward(self, ops: Any, run: Run) -> None:
        """Gradients go to the maxima."""
        self.refuse_regions_gradient(run)
        if run.bottom_diff[0] is not None:
            ops.region_max_backward(
                run.top_diff[0],
                self.regions(ops, run),
                run.scratch["index"],
                run.bottom_diff[0],
            )
