"""``caffe.Classifier``."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np

from netspec.proto import TEST
from netspec.pycaffe.images import Size, resize_image
from netspec.pycaffe.images import oversample as ten_crops
from netspec.pycaffe.net import Net
from netspec.pycaffe.transformer import Transformer

Array = Any
Path = str | PathLike[str]


def image_transformer(
    net: Net,
    mean: Array | None,
    input_scale: float | None,
    raw_scale: float | None,
    channel_swap: Sequence[int] | None,
) -> Transformer:
    """A transformer for a net's first input, of images (H, W, K)."""
    name = net.inputs[0]
    transformer = Transformer({name: net.blobs[name].shape})
    transformer.set_transpose(name, (2, 0, 1))
    if mean is not None:
        transformer.set_mean(name, mean)
    if input_scale is not None:
        transformer.set_input_scale(name, input_scale)
    if raw_scale is not None:
        transformer.set_raw_scale(name, raw_scale)
    if channel_swap is not None:
        transformer.set_channel_swap(name, channel_swap)
    return transformer


class Classifier(Net):
    """A net that classifies images, from their centre or from ten crops.

    Args:
        model_file, pretrained_file: a prototxt and its weights.
        image_dims: (height, width) that images are resized to before they are cropped;
            None: the input's own size.
        mean, input_scale, raw_scale, channel_swap: see
            :class:`~netspec.pycaffe.io.Transformer`.
    """

    def __init__(
        self,
        model_file: Path,
        pretrained_file: Path,
        image_dims: Size | None = None,
        mean: Array | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
    ) -> None:
        super().__init__(model_file, TEST, weights=pretrained_file)
        self.transformer = image_transformer(
            self, mean, input_scale, raw_scale, channel_swap
        )
        self.crop_dims = np.array(self.blobs[self.inputs[0]].shape[2:])
        self.image_dims = self.crop_dims if image_dims is None else image_dims

    def predict(self, inputs: Sequence[Array], oversample: bool = True) -> Array:
        """Class probabilities (N, C) of N images (H, W, K).

        Args:
            oversample: average over ten crops; False: take the central one.
        """
        images = np.stack([resize_image(image, self.image_dims) for image in inputs])
        cut = ten_crops if oversample else _centre
        name = self.inputs[0]
        prepared = [
            self.transformer.preprocess(name, crop)
            for crop in cut(images, self.crop_dims)
        ]
        out = self.forward_all(**{name: np.stack(prepared)})[self.outputs[0]]
        return out.reshape(len(images), 10, -1).mean(1) if oversample else out


def _centre(images: Array, size: Size) -> Array:
    spare = zip(images.shape[1:3], size)
    top, left = ((extent - wanted) // 2 for extent, wanted in spare)
    return images[:, top : top + size[0], left : left + size[1]]
