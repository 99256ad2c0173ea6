"""SSD's transformation of a picture with boxes, in the order of its AnnotatedData.

Colours are changed, the picture is put on a larger canvas, a part of it is cut out and
brought to one size, and that is cropped and mirrored; then the mean is subtracted.
Between the steps SSD compresses the picture to JPEG again, which nothing here does.
Source: Liu et al. 2016; ``annotated_data_layer.cpp`` and ``data_transformer.cpp``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netspec.data.augment import is_own
from netspec.data.boxes.distortion import check_distortion, distort
from netspec.data.boxes.draws import FIXED, Draw
from netspec.data.boxes.fitting import Size, check_resize, fit, sizes
from netspec.data.boxes.objects import WHOLE, Boxes, Objects
from netspec.data.boxes.sampling import Samplers
from netspec.data.draws import Row, coin, real, whole
from netspec.data.protocols import Floats
from netspec.data.transform import Means
from netspec.errors import DataError, SpecError
from netspec.proto import (
    AnnotatedDataParameter,
    EmitConstraint,
    ResizeParameter,
    TransformationParameter,
)
from netspec.random import Key, stream_words
from netspec.shapes import Shape, describe

Picture = np.ndarray  # (H, W, C) uint8
_SAME = 1e-2  # a canvas of at most this much more is none


@dataclass(frozen=True)
class BoxTransform:
    """What ``transform_param`` and ``annotated_data_param`` ask for in one phase.

    Attributes:
        crop: pixels of the crop; None: none.
        training: crop anywhere instead of in the centre.
    """

    param: TransformationParameter
    samplers: Samplers
    means: Means
    crop: Size | None
    training: bool
    key: Key

    @staticmethod
    def of(
        param: TransformationParameter,
        data: AnnotatedDataParameter,
        training: bool,
        key: Key,
        root: Path,
    ) -> BoxTransform:
        """Read the messages.

        Raises:
            SpecError: fields that make no sense, alone or together.
        """
        crop = crop_of(param)
        check_transform(param)
        samplers = Samplers(data.batch_sampler)
        return BoxTransform(param, samplers, Means.of(param, root), crop, training, key)

    def draws(self, first: int, count: int) -> list[Row]:
        """The random words of each of the samples from number *first* on."""
        each = FIXED + self.samplers.words
        drawn: list[Row] = stream_words(self.key, first, count, each).tolist()
        return drawn

    def shape(self, picture: Shape) -> Shape:
        """The shape (C, H, W) that a picture of shape *picture* comes to.

        Raises:
            DataError: it does not fit; the problem begins with its verb.
        """
        channels, *before = picture
        size = Size(*before)
        if self.param.HasField("resize_param"):
            size = sizes(self.param.resize_param, size)[0]
        self.means.check((channels, *size))
        if self.crop is None:
            return (channels, *size)
        if size.height < self.crop.height or size.width < self.crop.width:
            raise DataError(
                f"is {describe((channels, *size))} before a crop of "
                f"{describe(self.crop)}.",
                "Lower crop_size, or resize to more.",
            )
        return (channels, *self.crop)

    @property
    def fixed_size(self) -> Size | None:
        """The size that all pictures come to; None: that depends on them."""
        return size_told(self.param)

    def place(
        self, picture: Picture, objects: Objects, draw: Row, out: Floats
    ) -> Objects:
        """Bring a picture into *out* (C, H, W); the objects that are seen there.

        Raises:
            DataError: the picture has the wrong channels for what is to be done.
        """
        picture, objects = self._change(picture, objects, draw)
        if self.param.HasField("resize_param"):
            picture, objects = fit(picture, objects, self.param.resize_param, draw)
        y, x, size = self._window(Size(*picture.shape[:2]), draw)
        objects = objects.within(_part(y, x, size, picture), self._emit)
        mirror = self.param.mirror and coin(draw[Draw.MIRROR])
        self._write(picture, y, x, size, mirror, out)
        objects = objects.mirrored() if mirror else objects
        return self._rescaled(objects, size)

    def _change(
        self, picture: Picture, objects: Objects, draw: Row
    ) -> tuple[Picture, Objects]:
        """New colours, a canvas, a part."""
        if self.param.HasField("distort_param"):
            if picture.shape[2] != 3:
                raise DataError(
                    f"has {picture.shape[2]} channels, and colours are to be changed.",
                    "Set force_color, or leave out distort_param.",
                )
            picture = distort(picture, self.param.distort_param, draw)
        if self.param.HasField("expand_param"):
            picture, objects = self._on_canvas(picture, objects, draw)
        words, choice = draw[FIXED:], draw[Draw.PART]
        part = self.samplers.part(objects.boxes, words, choice)
        if part is None:
            return picture, objects
        return _cut(picture, part), objects.within(part, self._emit)

    @property
    def _emit(self) -> EmitConstraint | None:
        given = self.param.HasField("emit_constraint")
        return self.param.emit_constraint if given else None

    def _on_canvas(
        self, picture: Picture, objects: Objects, draw: Row
    ) -> tuple[Picture, Objects]:
        expand = self.param.expand_param
        happens = real(draw[Draw.IF_CANVAS], 0, 1) <= expand.prob
        if not happens or abs(expand.max_expand_ratio - 1) < _SAME:
            return picture, objects
        ratio = real(draw[Draw.CANVAS], 1, expand.max_expand_ratio)
        height, width, channels = picture.shape
        high, wide = int(height * ratio), int(width * ratio)
        y = int(real(draw[Draw.CANVAS_Y], 0, high - height))
        x = int(real(draw[Draw.CANVAS_X], 0, wide - width))
        canvas = np.empty((high, wide, channels), np.uint8)
        canvas[...] = np.rint(self.means.pixel).clip(0, 255).astype(np.uint8)
        canvas[y : y + height, x : x + width] = picture
        part = np.array([-x, -y, wide - x, high - y], np.float32)
        part /= np.array([width, height] * 2, np.float32)
        return canvas, objects.within(part, self._emit)

    def _window(self, picture: Size, draw: Row) -> tuple[int, int, Size]:
        size = self.crop or picture
        down, across = picture.height - size.height, picture.width - size.width
        if not self.training:
            return down // 2, across // 2, size
        return whole(draw[Draw.Y], down + 1), whole(draw[Draw.X], across + 1), size

    def _write(
        self, picture: Picture, y: int, x: int, size: Size, mirror: bool, out: Floats
    ) -> None:
        window = slice(y, y + size.height), slice(x, x + size.width)
        step = -1 if mirror else 1
        np.copyto(out, picture[window].transpose(2, 0, 1)[:, :, ::step])
        if self.means.image is not None:
            out -= self.means.image[(slice(None), *window)][:, :, ::step]
        elif self.means.values is not None:
            out -= self.means.values
        if self.param.scale != 1:
            out *= np.float32(self.param.scale)

    def _rescaled(self, objects: Objects, size: Size) -> Objects:
        """Boxes as parts of what ``height_scale`` and ``width_scale`` say."""
        resize = self.param.resize_param
        small = resize.resize_mode == ResizeParameter.FIT_SMALL_SIZE
        if not small or not resize.height_scale:
            return objects
        factor = size.width / resize.width_scale, size.height / resize.height_scale
        return objects.moved(np.array(factor, np.float32), np.zeros(2, np.float32))


def crop_of(param: TransformationParameter) -> Size | None:
    """The size of the crop: crop_size, or crop_h and crop_w.

    Raises:
        SpecError: one of two, or both ways at once.
    """
    if param.crop_size and (param.crop_h or param.crop_w):
        raise SpecError(
            "has crop_size beside crop_h and crop_w.",
            "Keep one way.",
            field="transform_param.crop_size",
        )
    if bool(param.crop_h) != bool(param.crop_w):
        raise SpecError(
            f"has crop_h {param.crop_h} and crop_w {param.crop_w}.",
            "Set both, or crop_size.",
            field="transform_param.crop_h"
            if param.crop_h
            else "transform_param.crop_w",
        )
    height, width = param.crop_h or param.crop_size, param.crop_w or param.crop_size
    return Size(height, width) if height else None


def size_told(param: TransformationParameter) -> Size | None:
    """The size that all pictures come to, if the message tells it."""
    crop = crop_of(param)
    if crop is not None or not param.HasField("resize_param"):
        return crop
    return Size(param.resize_param.height, param.resize_param.width)


def check_transform(param: TransformationParameter) -> None:
    """Refuse settings that make no sense, alone or together.

    Raises:
        SpecError: names the field.
    """
    if is_own(param):
        raise SpecError(
            "AnnotatedData does not know netspec's own transformation.",
            "Use resize_param, distort_param, expand_param and batch_sampler.",
            field="transform_param",
        )
    if param.HasField("resize_param"):
        check_resize(param.resize_param, crop_of(param) is not None)
    check_distortion(param.distort_param)
    if param.HasField("expand_param"):
        _check_canvas(param)
    if param.force_color and param.force_gray:
        raise SpecError(
            "has both force_color and force_gray.",
            "Keep one.",
            field="transform_param.force_gray",
        )


def _check_canvas(param: TransformationParameter) -> None:
    ratio = param.expand_param.max_expand_ratio
    if not 1 <= ratio < np.inf:
        raise SpecError(
            f"max_expand_ratio is {ratio:g}.",
            "Give at least 1.",
            field="transform_param.expand_param.max_expand_ratio",
        )
    if param.HasField("mean_file"):
        raise SpecError(
            "puts pictures on a canvas whose colour a mean image cannot tell.",
            "Give mean_value instead of mean_file.",
            field="transform_param.mean_file",
        )


def _part(y: int, x: int, size: Size, picture: Picture) -> Boxes:
    """A window as parts of its picture."""
    height, width = picture.shape[:2]
    if (height, width) == size:
        return WHOLE
    corners = np.array([x, y, x + size.width, y + size.height], np.float32)
    return corners / np.array([width, height] * 2, np.float32)


def _cut(picture: Picture, part: Boxes) -> Picture:
    """The pixels of a part, in whole pixels as SSD counts them."""
    height, width = picture.shape[:2]
    left, top, right, bottom = part * np.array([width, height] * 2, np.float32)
    y, x = min(int(top), height - 1), min(int(left), width - 1)
    high, wide = max(1, int(bottom - top)), max(1, int(right - left))
    return picture[y : y + high, x : x + wide]
