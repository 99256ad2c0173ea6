"""WindowData: windows of images, for training a detector."""

from __future__ import annotations

from netspec.errors import SpecError
from netspec.layers.base import Shapes, exactly, layer
from netspec.layers.source import Source, positive, refuse_ssd
from netspec.registry import suggest

PREFIX = "window_data_param"
CROP_MODES = ("square", "warp")
CHANNELS = 3  # colour, whatever the images are


@layer("WindowData")
class WindowData(Source):
    """Caffe's WindowData: background and foreground windows, (N, 3, crop, crop), and
    their labels, (N,); see :mod:`netspec.data.window_reader`.

    Mean and crop_size stand in transform_param, scale in window_data_param.
    """

    tops = exactly(2)

    def setup(self) -> None:
        """Read window_data_param and transform_param."""
        message, transform = self.proto.window_data_param, self.proto.transform_param
        self.batch = positive(message.batch_size, f"{PREFIX}.batch_size")
        refuse_ssd(transform)
        self.crop = self._crop_size()
        if 2 * message.context_pad >= self.crop:
            raise SpecError(
                f"context_pad {message.context_pad} on both sides leaves nothing of "
                f"crop_size {self.crop}.",
                f"Choose less than {self.crop / 2:g}.",
                field=f"{PREFIX}.context_pad",
            )
        if message.crop_mode not in CROP_MODES:
            raise SpecError(
                f"unknown crop_mode {message.crop_mode!r}.",
                suggest(message.crop_mode, CROP_MODES),
                field=f"{PREFIX}.crop_mode",
            )
        if not 0 <= message.fg_fraction <= 1:
            raise SpecError(
                f"fg_fraction is {message.fg_fraction:g}.",
                "Choose a share from 0 to 1.",
                field=f"{PREFIX}.fg_fraction",
            )
        if transform.scale != 1:
            raise SpecError(
                "Caffe's WindowData reads no scale in transform_param, where upgrading "
                "old files puts it.",
                f"Put it into {PREFIX} of a layer in today's format.",
                field="transform_param.scale",
            )

    def _crop_size(self) -> int:
        """The side of the windows."""
        size = self.proto.transform_param.crop_size
        if not size and self.proto.window_data_param.HasField("crop_size"):
            raise SpecError(
                f"crop_size in {PREFIX} is read in old files only.",
                "Put it into transform_param.",
                field=f"{PREFIX}.crop_size",
            )
        return positive(size, "transform_param.crop_size")

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """From the file alone."""
        return ((self.batch, CHANNELS, self.crop, self.crop), (self.batch,))
