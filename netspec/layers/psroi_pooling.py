"""PSROIPooling: the means of the bins of regions, each bin from its own channels."""

from __future__ import annotations

from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Run, Shapes, layer
from netspec.layers.region_pooling import RegionPooling
from netspec.shapes import describe

PREFIX = "psroi_pooling_param"


@layer("PSROIPooling")
class PSROIPooling(RegionPooling):
    """R-FCN's position-sensitive pooling: regions to (R, output_dim, group_size,
    group_size), from maps of output_dim · group_size² channels.
    """

    def setup(self) -> None:
        """Read psroi_pooling_param."""
        message = self.message = self.proto.psroi_pooling_param
        for name in ("output_dim", "group_size", "spatial_scale"):
            if getattr(message, name) <= 0:
                raise SpecError(
                    f"{name} is missing or not above 0.",
                    "Give a number above 0.",
                    field=f"{PREFIX}.{name}",
                )
        self.scale: float = message.spatial_scale

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The bins of every region and output channel."""
        self.check_bottoms(bottom)
        channels, bins = self.message.output_dim, self.message.group_size
        if bottom[0][1] != channels * bins * bins:
            raise SpecError(
                f"bottom 0 has shape {describe(bottom[0])}.",
                f"It must have {channels * bins * bins} channels: output_dim times "
                "group_size squared.",
                field="bottom.0",
            )
        return ((bottom[1][0], channels, bins, bins),)

    def forward(self, ops: Any, run: Run) -> None:
        """Pool every region.

        Raises:
            DataError: a region of an image that is not there.
        """
        regions = self.regions(ops, run)
        ops.region_mean(run.bottom[0], regions, run.top[0], self.scale)

    def backward(self, ops: Any, run: Run) -> None:
        """Gradients spread over the bins."""
        self.refuse_regions_gradient(run)
        dx = run.bottom_diff[0]
        if dx is not None:
            regions = self.regions(ops, run)
            ops.region_mean_backward(run.top_diff[0], regions, dx, self.scale)
