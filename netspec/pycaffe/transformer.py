"""``caffe.io.Transformer``: from an image to what an input of a net takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netspec.pycaffe.faults import BadValueError, unknown
from netspec.pycaffe.images import resize_image
from netspec.shapes import Shape, describe

Array = Any


class Transformer:
    """Prepares images for inputs of a net, each with settings of its own.

    In this order: resized to the input's size; axes transposed; channels swapped;
    multiplied by the raw scale; the mean subtracted; multiplied by the input scale.

    Args:
        inputs: shape (N, K, H, W) of each input, by name.

    Attributes:
        transpose, channel_swap, raw_scale, mean, input_scale: the settings, by input.
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]) -> None:
        self.inputs = inputs
        self.transpose: dict[str, Sequence[int]] = {}
        self.channel_swap: dict[str, Sequence[int]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, Array] = {}
        self.input_scale: dict[str, float] = {}

    def preprocess(self, in_: str, data: Array) -> Array:
        """An image (H, W, K) as the input *in_* takes it: float32, (K, H, W).

        The image itself is left as it is.
        """
        size = self._shape(in_)[2:]
        image = np.array(data, np.float32)
        if image.shape[:2] != size:
            image = resize_image(image, size)
        if in_ in self.transpose:
            image = image.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            image = image[list(self.channel_swap[in_])]
        if in_ in self.raw_scale:
            image *= self.raw_scale[in_]
        if in_ in self.mean:
            image -= self.mean[in_]
        if in_ in self.input_scale:
            image *= self.input_scale[in_]
        return image

    def deprocess(self, in_: str, data: Array) -> Array:
        """The image (H, W, K) that one item of an input stands for; its size stays."""
        axes = len(self._shape(in_)) - 1
        image = np.array(data, np.float32)
        while image.ndim > axes and len(image) == 1:
            image = image[0]
        if in_ in self.input_scale:
            image /= self.input_scale[in_]
        if in_ in self.mean:
            image += self.mean[in_]
        if in_ in self.raw_scale:
            image /= self.raw_scale[in_]
        if in_ in self.channel_swap:
            image = image[np.argsort(self.channel_swap[in_])]
        if in_ in self.transpose:
            image = image.transpose(np.argsort(self.transpose[in_]))
        return image

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """Reorder axes: (2, 0, 1) makes (K, H, W) of (H, W, K).

        Raises:
            BadValueError: another number of axes than the input has, less one.
        """
        axes = len(self._shape(in_)) - 1
        if len(order) != axes:
            raise BadValueError(
                f"the order {tuple(order)} has {len(order)} axes for input {in_!r}.",
                f"Give {axes}: all but that of the batch.",
            )
        self.transpose[in_] = order

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """Reorder channels, after any transposition: (2, 1, 0) makes BGR of RGB.

        Raises:
            BadValueError: another number of channels than the input has.
        """
        channels = self._shape(in_)[1]
        if len(order) != channels:
            raise BadValueError(
                f"the order {tuple(order)} has {len(order)} channels; input {in_!r} "
                f"has {channels}.",
                "Give each of its channels once.",
            )
        self.channel_swap[in_] = order

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """Multiply by *scale* before the mean: 255 for nets that were given bytes."""
        self._shape(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_: str, mean: Array) -> None:
        """Subtract a mean, in the input's own channel order and scale.

        Args:
            mean: a value for each channel (K,), or an image (K, H, W) or (H, W), which
                is resized to the input.

        Raises:
            BadValueError: another number of channels than the input has.
        """
        shape = self._shape(in_)[1:]
        mean = np.asarray(mean)
        if mean.ndim == 1:
            if len(mean) != shape[0]:
                raise _unfit(mean.shape, in_, shape)
            self.mean[in_] = mean[:, None, None]
            return
        image = mean[None] if mean.ndim == 2 else mean
        if image.ndim != 3 or image.shape[0] not in (1, shape[0]):
            raise _unfit(mean.shape, in_, shape)
        if image.shape[1:] != shape[1:]:
            resized = resize_image(image.transpose(1, 2, 0), shape[1:])
            image = resized.transpose(2, 0, 1)
        self.mean[in_] = image

    def set_input_scale(self, in_: str, scale: float) -> None:
        """Multiply by *scale* when all else is done."""
        self._shape(in_)
        self.input_scale[in_] = scale

    def _shape(self, in_: str) -> Shape:
        if in_ not in self.inputs:
            raise unknown("input", in_, self.inputs)
        return tuple(self.inputs[in_])


def _unfit(mean: Shape, in_: str, shape: Shape) -> BadValueError:
    return BadValueError(
        f"a mean of shape {describe(mean)} does not fit input {in_!r}, whose items "
        f"are {describe(shape)}.",
        "Give a value a channel, or a mean image.",
    )
