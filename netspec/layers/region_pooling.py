"""What layers that pool regions share: their bottoms."""

from __future__ import annotations

from typing import Any

from netspec.errors import DataError, SpecError
from netspec.layers.base import Array, Layer, Run, Shapes, exactly
from netspec.layers.loss import refuse_gradient
from netspec.shapes import count, describe

REGION = 5  # image, left, top, right, bottom


class RegionPooling(Layer):
    """Base: bottom 0 are maps (N, C, H, W), bottom 1 regions (R, 5) or (R, 5, 1, 1).

    A region is the number of an image in the batch, and its corners in pixels of the
    net's input.
    """

    bottoms = exactly(2)
    backward_reads_bottom = True

    def check_bottoms(self, bottom: Shapes) -> None:
        """Refuse what are no maps and no regions."""
        maps, regions = bottom
        if len(maps) != 4:
            raise SpecError(
                f"bottom 0 has shape {describe(maps)}.",
                "It must have four axes: N x C x H x W.",
                field="bottom.0",
            )
        if not regions or count(regions, 1) != REGION:
            raise SpecError(
                f"bottom 1 has shape {describe(regions)}.",
                "It must have five numbers a row: image, left, top, right, bottom.",
                field="bottom.1",
            )

    def couples_batch(self, bottom: Shapes) -> bool:
        """Regions name images by their number in the batch."""
        return True

    def allows_force_backward(self, bottom: int) -> bool:
        """Regions have no gradient."""
        return bottom == 0

    def regions(self, ops: Any, run: Run) -> Array:
        """The regions as rows.

        Raises:
            DataError: one names an image that the batch does not have.
        """
        rows = run.bottom[1].reshape(-1, REGION)
        images = ops.download(rows)[:, 0]
        for r, image in enumerate(images):
            if not 0 <= image < len(run.bottom[0]):
                raise DataError(
                    f"region {r} is of image {float(image):g}; the batch has "
                    f"{len(run.bottom[0])} images.",
                    "Number images from 0, batch by batch.",
                )
        return rows

    def refuse_regions_gradient(self, run: Run) -> None:
        """Refuse to send a gradient to the regions."""
        refuse_gradient(run, 1, "regions")
