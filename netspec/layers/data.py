"""Layers that are fed from a database, a list, a file or the program."""

from __future__ import annotations

from typing import Any, ClassVar

from netspec.errors import OpenShapeError, SpecError
from netspec.layers.base import Shapes, at_least, between, exactly, layer
from netspec.layers.source import Source, positive, refuse_ssd
from netspec.proto import TransformationParameter
from netspec.shapes import Shape, describe


class Images(Source):
    """Base of sources of images with labels: (N, C, H, W) and (N,).

    Height and width are crop_size, or those of the first record.
    """

    param: ClassVar[str]

    def setup(self) -> None:
        """Read the batch size."""
        self.settings: Any = getattr(self.proto, self.param)
        self.batch = positive(self.settings.batch_size, f"{self.param}.batch_size")
        refuse_ssd(self.proto.transform_param)

    @property
    def crop(self) -> int:
        """Side of the square cut from an image, in pixels; 0: none."""
        return self.proto.transform_param.crop_size

    def stored_shape(self) -> Shape | None:
        """Shape of a record (C, H, W), as far as the file alone tells it."""
        if self.crop:
            return (channels(self.proto.transform_param), self.crop, self.crop)
        return None

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """From the file alone."""
        image = self.stored_shape()
        if image is None:
            raise OpenShapeError(
                f"the records of {self.settings.source!r} decide the size of its tops.",
                "Make the source available, or set transform_param.crop_size.",
                field=f"{self.param}.source",
            )
        if self.crop:
            image = cropped(image, self.crop)
        return ((self.batch, *image), (self.batch,))[: len(self.proto.top)]


def channels(transform: TransformationParameter) -> int:
    """Channels of an image as far as its transformation tells: 3 unless it says."""
    if transform.force_gray:
        return 1
    if transform.force_color or len(transform.mean_value) < 2:
        return 3
    return len(transform.mean_value)


def cropped(image: Shape, crop: int) -> Shape:
    """(C, H, W) after a square crop.

    Raises:
        SpecError: the crop does not fit.
    """
    if crop > min(image[1:]):
        raise SpecError(
            f"crop_size {crop} does not fit records of {describe(image)}.",
            f"Choose at most {min(image[1:])}, or store larger images.",
            field="transform_param.crop_size",
        )
    return (image[0], crop, crop)


@layer("Data")
class Data(Images):
    """Caffe's Data: Datum records of a database."""

    tops = between(1, 2)
    param = "data_param"


@layer("ImageData")
class ImageData(Images):
    """Caffe's ImageData: images named by a list."""

    tops = exactly(2)
    param = "image_data_param"

    def setup(self) -> None:
        """Read the size that images are resized to."""
        super().setup()
        self.size = (self.settings.new_height, self.settings.new_width)
        if (self.size[0] == 0) != (self.size[1] == 0):
            raise SpecError(
                f"new_height is {self.size[0]} and new_width is {self.size[1]}.",
                "Give both, or neither.",
                field="image_data_param.new_height",
            )

    def stored_shape(self) -> Shape | None:
        """From the size that images are resized to, or the crop.

        Only the crop tells, where they are rescaled after that.
        """
        transform = self.proto.transform_param
        rescaled = (
            transform.short_side or transform.short_side_min or transform.area_min
        )
        known = all(self.size) and not rescaled
        size = self.size if known else (self.crop, self.crop)
        return (3 if self.settings.is_color else 1, *size) if all(size) else None


@layer("MemoryData")
class MemoryData(Images):
    """Caffe's MemoryData: images and labels that the program hands over."""

    tops = exactly(2)
    param = "memory_data_param"

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The shape written in the file, which is that after any crop."""
        names = ("channels", "height", "width")
        image = [
            positive(getattr(self.settings, n), f"{self.param}.{n}") for n in names
        ]
        return ((self.batch, *image), (self.batch,))


@layer("HDF5Data")
class HDF5Data(Source):
    """Caffe's HDF5Data: each top is the dataset of its name."""

    tops = at_least(1)

    def setup(self) -> None:
        """Check the batch size."""
        self.settings = self.proto.hdf5_data_param
        positive(self.settings.batch_size, "hdf5_data_param.batch_size")

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """Refuses: only the files know."""
        raise OpenShapeError(
            f"the files listed in {self.settings.source!r} decide the shapes of its "
            "tops.",
            "Make them available.",
            field="hdf5_data_param.source",
        )
