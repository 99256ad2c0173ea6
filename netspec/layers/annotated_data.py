"""AnnotatedData: pictures and the boxes of their objects, for training a detector."""

from __future__ import annotations

from netspec.data.boxes.objects import ROW
from netspec.data.boxes.sampling import Samplers
from netspec.data.boxes.transform import check_transform, size_told
from netspec.errors import OpenShapeError
from netspec.layers.base import Shapes, between, layer
from netspec.layers.data import channels
from netspec.layers.source import Source, positive


@layer("AnnotatedData")
class AnnotatedData(Source):
    """SSD's AnnotatedData: pictures (N, C, H, W) and their objects (N, 1, most, 8);
    see :mod:`netspec.data.boxes.reader`.

    Where every image's objects go by themselves, SSD has (1, 1, all, 8). The database
    tells the most objects of an image; where it is not at hand, one stands for it.
    """

    tops = between(1, 2)

    def setup(self) -> None:
        """Check all settings that the file alone can be wrong about."""
        self.settings = self.proto.data_param
        self.batch = positive(self.settings.batch_size, "data_param.batch_size")
        check_transform(self.proto.transform_param)
        Samplers(self.proto.annotated_data_param.batch_sampler)

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """From the file alone."""
        transform = self.proto.transform_param
        size = size_told(transform)
        if size is None:
            raise OpenShapeError(
                f"the records of {self.settings.source!r} decide the size of its tops.",
                "Make the source available, or set transform_param.resize_param.",
                field="data_param.source",
            )
        pictures = (self.batch, channels(transform), *size)
        return (pictures, (self.batch, 1, 1, ROW))[: len(self.proto.top)]
