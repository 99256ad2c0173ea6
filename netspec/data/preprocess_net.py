"""The preprocessing that a data layer asks for in TEST, as a value."""

from __future__ import annotations

from netspec.data.feeds import root_of
from netspec.data.mean import read_mean
from netspec.data.preprocess import Preprocess
from netspec.data.protocols import Floats
from netspec.data.rescale import Resize
from netspec.errors import DataError, SpecError
from netspec.files import find
from netspec.proto import LayerParameter, TransformationParameter

PICTURE_LAYERS = ("Data", "ImageData", "MemoryData")
_CHANNELS = {1: "gray", 3: "bgr"}


def preprocess_of(layer: LayerParameter, file: str, depth: int) -> Preprocess:
    """What a Data, ImageData or MemoryData layer does to a picture.

    Args:
        file: the net's file, beside which a mean_file may stand.
        depth: channels of the layer's top; three are blue, green, red, as Caffe has
            them.

    Raises:
        SpecError: mean_file beside mean_value.
        DataError: a mean image that cannot be read, or values that do not fit *depth*.
    """
    param = layer.transform_param
    if depth not in _CHANNELS:
        raise DataError(
            f"the pictures have {depth} channels.",
            "Preprocessing is told for 1 (grey) or 3 (colour).",
            layer=(layer.name, layer.type),
        )
    if param.mean_file and param.mean_value:
        raise SpecError(
            "has both mean_file and mean_value.",
            "Keep one.",
            layer=(layer.name, layer.type),
        )
    crop = param.crop_size
    return Preprocess(
        _CHANNELS[depth],
        mean=tuple(param.mean_value),
        mean_image=_mean_image(layer, file),
        scale=(param.scale,),
        resize=_resize(layer, param),
        crop=(crop, crop) if crop else None,
    )


def _mean_image(layer: LayerParameter, file: str) -> Floats | None:
    name = layer.transform_param.mean_file
    return read_mean(find(root_of(layer, file) / name, file)) if name else None


def _resize(layer: LayerParameter, param: TransformationParameter) -> Resize | None:
    """How whole pictures are resized: nobody knows how a database was made."""
    if layer.type != "ImageData":
        return None
    size = (layer.image_data_param.new_height, layer.image_data_param.new_width)
    return Resize("squash", size) if all(size) else Resize("none")
