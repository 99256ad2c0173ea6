"""The preprocessing that a data layer asks for, as a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netspec.data.boxes.transform import crop_of, size_told
from netspec.data.classes import read_classes_of
from netspec.data.feeds import data_layers, root_of, source_of
from netspec.data.mean import read_mean
from netspec.data.preprocess import Preprocess
from netspec.data.protocols import Floats
from netspec.data.rescale import TRIANGLE, Resize
from netspec.errors import SpecError
from netspec.files import find
from netspec.proto import (
    TEST,
    TRAIN,
    LayerParameter,
    NetParameter,
    ResizeParameter,
    TransformationParameter,
)
from netspec.shapes import Shape
from netspec.spec import Located, filter_net
from netspec.spec.write import float32_text

_PICTURE_LAYERS = ("AnnotatedData", "Data", "ImageData", "MemoryData")
State = tuple[int, int, Sequence[str]]  # phase, level, stages
_CHANNELS = {1: "gray", 3: "bgr"}


def preprocess_of(layer: LayerParameter, file: str, depth: int) -> Preprocess | None:
    """What a layer that gives pictures does to one before its crop.

    Args:
        file: the net's file, beside which a mean_file may stand.
        depth: channels of the layer's top; three are blue, green, red, as Caffe has
            them.

    Returns:
        None where the layer does not tell: another kind, arrays that a program hands
        over without a transform_param, or neither 1 nor 3 channels.

    Raises:
        SpecError: mean_file beside mean_value.
        DataError: a mean image that cannot be read, or values that do not fit *depth*.
    """
    param = layer.transform_param
    handed_over = layer.type == "MemoryData" and not layer.HasField("transform_param")
    if layer.type not in _PICTURE_LAYERS or depth not in _CHANNELS or handed_over:
        return None
    if param.mean_file and param.mean_value:
        raise SpecError(
            "has both mean_file and mean_value.",
            "Keep one.",
            layer=(layer.name, layer.type),
        )
    return Preprocess(
        _CHANNELS[depth],
        mean=tuple(map(_decimal, param.mean_value)),
        mean_image=_mean_image(layer, file),
        scale=(_decimal(param.scale),),
        resize=_resize(layer, param),
        crop=crop_of(param),
    )


def preprocess_of_net(
    net: Located[NetParameter], state: State, blobs: Mapping[str, Shape]
) -> Preprocess | None:
    """What the first data layer of a net does to a picture in one state.

    With the names of the classes, where its database has them.

    Args:
        net: with the layers of both phases, of which TRAIN tells the training scale,
            and TEST how whole pictures are resized.
        blobs: shapes by name, in that state.

    Raises:
        SpecError, DataError: see :func:`preprocess_of`.
    """
    _, layer = next(data_layers(filter_net(net, *state)), (0, None))
    if layer is None:
        return None
    shape = blobs[layer.top[0]]
    found = preprocess_of(layer, net.file, shape[1] if len(shape) == 4 else 0)
    if found is None:
        return None
    return found.with_(
        train_scale=train_scale_of(net, *state[1:]),
        classes=_classes(layer, net.file),
        resize=_test_resize(net, *state[1:]) or found.resize,
    )


def _test_resize(
    net: Located[NetParameter], level: int, stages: Sequence[str]
) -> Resize | None:
    _, layer = next(data_layers(filter_net(net, TEST, level, stages)), (0, None))
    return _resize(layer, layer.transform_param) if layer else None


def _classes(layer: LayerParameter, file: str) -> tuple[str, ...] | None:
    """Names that stand beside the layer's database."""
    source = source_of(layer, file) if layer.type == "Data" else None
    if source is None or not source.exists():
        return None
    classes = read_classes_of(source)
    return tuple(map(str, classes)) if classes else None


def train_scale_of(
    net: Located[NetParameter], level: int = 0, stages: Sequence[str] = ()
) -> tuple[int, int] | None:
    """S of the VGG paper: least and greatest shorter side that TRAIN rescales to.

    None: the net has no such layer, or takes its pictures as they are stored.
    """
    layers = data_layers(filter_net(net, TRAIN, level, stages))
    scales = (_sides(layer.transform_param) for _, layer in layers)
    return next(filter(None, scales), None)


def _sides(param: TransformationParameter) -> tuple[int, int] | None:
    if param.short_side:
        return param.short_side, param.short_side
    if param.short_side_max:
        return param.short_side_min, param.short_side_max
    return None


def _decimal(value: float) -> float:
    """A float32 as the shortest decimal, as it was written: 103.939."""
    return float(float32_text(value))


def _mean_image(layer: LayerParameter, file: str) -> Floats | None:
    name = layer.transform_param.mean_file
    return read_mean(find(root_of(layer, file) / name, file)) if name else None


def _resize(layer: LayerParameter, param: TransformationParameter) -> Resize | None:
    """How whole pictures are resized in TEST; None: nobody knows, as where a database
    was made of resized ones."""
    sides, list_param = _sides(param), layer.image_data_param
    if sides:
        return Resize("short-side", (sum(sides) // 2,), TRIANGLE)
    if param.area_min:
        # The largest square in the middle becomes the crop: to within half a pixel.
        return Resize("short-side", (param.crop_size,), TRIANGLE)
    if layer.type == "AnnotatedData":
        warps = param.resize_param.resize_mode == ResizeParameter.WARP
        told = size_told(param) if warps and crop_of(param) is None else None
        return Resize("squash", tuple(told)) if told else None
    if layer.type != "ImageData":
        return None
    size = (list_param.new_height, list_param.new_width)
    return Resize("squash", size) if all(size) else Resize("none")
