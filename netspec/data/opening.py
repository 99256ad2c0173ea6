"""From a data layer's message to what reads its samples, by layer type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netspec.data.augment import Augment, is_own
from netspec.data.boxes.reader import BoxReader
from netspec.data.boxes.records import AnnotatedRecords
from netspec.data.boxes.transform import BoxTransform
from netspec.data.database import Database, check_is_database
from netspec.data.decode import Channels
from netspec.data.hdf5 import Hdf5Files
from netspec.data.image_list import ImageList
from netspec.data.memory import Arrays
from netspec.data.order import Order, shuffled, shuffled_files, skipped
from netspec.data.pictures import PictureReader
from netspec.data.protocols import PictureSource, Reader, Transformation
from netspec.data.rows import RowReader
from netspec.data.transform import Means, Transform
from netspec.data.window_cut import Cut
from netspec.data.window_reader import WindowPixels, WindowReader, window_mean
from netspec.data.windows import read_windows
from netspec.errors import SpecError
from netspec.proto import (
    DataParameter,
    ImageDataParameter,
    LayerParameter,
    TransformationParameter,
)
from netspec.random import Key
from netspec.registry import Registry


@dataclass(frozen=True)
class Request:
    """A data layer to open."""

    layer: LayerParameter
    training: bool
    seed: int
    root: Path

    def key(self, use: str) -> Key:
        """The random key of one use of this layer."""
        return Key(self.seed, f"{self.layer.name}/{use}")

    def path(self, field: str, value: str) -> Path:
        """A path that a field must name."""
        if not value:
            raise SpecError("names no source.", f"Set {field}.", field=field)
        return self.root / value


class Opened(NamedTuple):
    """How a layer's samples are read, in which order, and how many at a time."""

    reader: Reader
    order: Order
    batch: int
    workers: int = 0  # threads; 0: chosen by the cores
    prefetch: int = 4  # batches ready, as many as Caffe's


Opener = Callable[[Request], Opened]
OPENERS: Registry[Opener] = Registry("data layer type")


@OPENERS("Data")
def _data(request: Request) -> Opened:
    param = request.layer.data_param
    path = request.path("data_param.source", param.source)
    check_is_database(path)  # what is there decides, not `backend`
    source = Database(path, _channels(request.layer.transform_param))
    opened = _pictures(request, source, param, "data_param")
    return opened._replace(prefetch=param.prefetch)


@OPENERS("AnnotatedData")
def _annotated_data(request: Request) -> Opened:
    layer, param = request.layer, request.layer.data_param
    path = request.path("data_param.source", param.source)
    batch = _batch(param.batch_size, "data_param")
    transform = BoxTransform.of(
        layer.transform_param,
        layer.annotated_data_param,
        request.training,
        request.key("transform"),
        request.root,
    )
    boxes = layer.annotated_data_param.HasField("anno_type")
    source = AnnotatedRecords(path, _channels(layer.transform_param), boxes)
    reader = BoxReader(source, transform, len(layer.top), batch)
    order = _order(request, param, len(source))
    return Opened(reader, order, batch, param.workers, param.prefetch)


def _channels(param: TransformationParameter) -> Channels:
    if param.force_color and param.force_gray:
        raise SpecError(
            "has both force_color and force_gray.",
            "Keep one.",
            field="transform_param.force_gray",
        )
    if param.force_color:
        return Channels.COLOR
    return Channels.GRAY if param.force_gray else Channels.NATIVE


@OPENERS("ImageData")
def _image_data(request: Request) -> Opened:
    param = request.layer.image_data_param
    path = request.path("image_data_param.source", param.source)
    source = ImageList(
        path,
        param.root_folder,
        request.root,
        Channels.COLOR if param.is_color else Channels.GRAY,
        _size(param.new_height, param.new_width),
    )
    return _pictures(request, source, param, "image_data_param")


def _size(height: int, width: int) -> tuple[int, int] | None:
    if (height > 0) != (width > 0):
        raise SpecError(
            f"has new_height {height} and new_width {width}.",
            "Set both, or neither.",
            field="image_data_param.new_height",
        )
    return (height, width) if height else None


def _pictures(
    request: Request,
    source: PictureSource,
    param: DataParameter | ImageDataParameter,
    message: str,
) -> Opened:
    transform = _transformation(request)
    tops = len(request.layer.top)
    reader = PictureReader(source, transform, tops, param.replace_bad)
    order = _order(request, param, len(source))
    return Opened(reader, order, _batch(param.batch_size, message), param.workers)


def _order(
    request: Request, param: DataParameter | ImageDataParameter, size: int
) -> Order:
    skip = 0
    if param.rand_skip:
        skip = skipped(request.key("rand_skip"), param.rand_skip)
    permute = shuffled(request.key("shuffle"), size) if param.shuffle else None
    return Order(size, skip, permute)


def _transformation(request: Request) -> Transformation:
    param, key = request.layer.transform_param, request.key("transform")
    if not is_own(param):
        return Transform.of(param, request.training, key, request.root)
    return Augment.of(param, request.training, key, Means.of(param, request.root))


@OPENERS("HDF5Data")
def _hdf5_data(request: Request) -> Opened:
    param = request.layer.hdf5_data_param
    if request.layer.HasField("transform_param"):
        raise SpecError(
            "does not transform its data.",
            "Leave transform_param out, and transform the data in its files.",
            field="transform_param",
        )
    path = request.path("hdf5_data_param.source", param.source)
    source = Hdf5Files(path, tuple(request.layer.top), request.root)
    permute = None
    if param.shuffle:
        permute = shuffled_files(request.key("shuffle"), source.sizes)
    batch = _batch(param.batch_size, "hdf5_data_param")
    return Opened(RowReader(source), Order(len(source), 0, permute), batch)


@OPENERS("WindowData")
def _window_data(request: Request) -> Opened:
    param, transform = request.layer.window_data_param, request.layer.transform_param
    path = request.path("window_data_param.source", param.source)
    windows = read_windows(path, param.fg_threshold, param.bg_threshold)
    batch = _batch(param.batch_size, "window_data_param")
    reader = WindowReader(
        windows,
        [request.root / (param.root_folder + image) for image in windows.images],
        batch,
        int(np.float32(batch) * np.float32(param.fg_fraction)),
        Cut(transform.crop_size, param.context_pad, param.crop_mode == "square"),
        WindowPixels(
            window_mean(transform, request.root), param.scale, transform.mirror
        ),
        request.key("windows"),
        keep=param.cache_images,
    )
    return Opened(reader, Order(len(reader)), batch)


@OPENERS("MemoryData")
def _memory_data(request: Request) -> Opened:
    param = request.layer.memory_data_param
    shape = (param.channels, param.height, param.width)
    if min(shape) < 1:
        raise SpecError(
            f"has pictures of {'x'.join(map(str, shape))}.",
            "Set channels, height and width, each at least 1.",
            field="memory_data_param.channels",
        )
    source = Arrays((shape, ())[: len(request.layer.top)])
    batch = _batch(param.batch_size, "memory_data_param")
    return Opened(RowReader(source), Order(0), batch)


def _batch(size: int, message: str) -> int:
    if size < 1:
        raise SpecError(
            "has batch_size 0.", "Set it to at least 1.", field=f"{message}.batch_size"
        )
    return size
