"""``caffe.Detector``: windows of images, classified one by one as R-CNN does."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from importlib import import_module
from os import PathLike
from typing import Any

import numpy as np

from netspec.errors import UsageError
from netspec.proto import TEST
from netspec.pycaffe.classifier import image_transformer
from netspec.pycaffe.context import context_window
from netspec.pycaffe.faults import BadValueError
from netspec.pycaffe.images import load_image
from netspec.pycaffe.net import Net
from netspec.shapes import describe

Array = Any
Path = str | PathLike[str]
Window = Sequence[float]  # ymin, xmin, ymax, xmax


class Detector(Net):
    """A net that classifies windows, each warped to the size of its input.

    Args:
        model_file, pretrained_file: a prototxt and its weights.
        mean, input_scale, raw_scale, channel_swap: see
            :class:`~netspec.pycaffe.io.Transformer`.
        context_pad: pixels of surroundings on each side of the net's input; None: none.
    """

    def __init__(
        self,
        model_file: Path,
        pretrained_file: Path,
        mean: Array | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        context_pad: int | None = None,
    ) -> None:
        super().__init__(model_file, TEST, weights=pretrained_file)
        self.transformer = image_transformer(
            self, mean, input_scale, raw_scale, channel_swap
        )
        self.configure_crop(context_pad)

    def detect_windows(
        self, images_windows: Iterable[tuple[Path, Sequence[Window]]]
    ) -> list[dict[str, Any]]:
        """Classify windows (ymin, xmin, ymax, xmax) of images.

        Returns:
            For each window a dict of ``window``, ``prediction`` and ``filename``.
        """
        found: list[dict[str, Any]] = []
        prepared = []
        for filename, windows in images_windows:
            image = load_image(filename)
            for window in windows:
                crop = self.crop(image, window)
                prepared.append(self.transformer.preprocess(self.inputs[0], crop))
                found.append({"window": window, "filename": filename})
        if not found:
            return []
        out = self.forward_all(**{self.inputs[0]: np.stack(prepared)})
        for each, prediction in zip(found, out[self.outputs[0]]):
            each["prediction"] = prediction
        return found

    def detect_selective_search(self, image_fnames: Iterable[Path]) -> list[dict]:
        """Classify the windows that selective search proposes.

        Raises:
            UsageError: the module selective_search_ijcv_with_python is not installed.
        """
        try:
            selective_search = import_module("selective_search_ijcv_with_python")
        except ImportError:
            raise UsageError(
                "the module selective_search_ijcv_with_python is not installed.",
                "Install it, or give windows to detect_windows().",
            ) from None
        names = [os.path.abspath(name) for name in image_fnames]
        windows = selective_search.get_windows(names, cmd="selective_search_rcnn")
        return self.detect_windows(zip(names, windows))

    def crop(self, im: Array, window: Window) -> Array:
        """A window of an image (H, W, K), with surroundings if they are asked for."""
        if self.context_pad:
            mean, size = self.crop_mean, self.crop_dims[:2]
            return context_window(im, window, size, self.context_pad, mean)
        top, left, bottom, right = (int(edge) for edge in window)
        cut = im[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        if not cut.size:
            raise BadValueError(
                f"window {(top, left, bottom, right)} has nothing of an image of "
                f"{describe(im.shape[:2])}.",
                "Give ymin, xmin, ymax and xmax in pixels of the image.",
            )
        return cut

    def configure_crop(self, context_pad: int | None) -> None:
        """Set how many pixels of surroundings windows get."""
        self.context_pad = context_pad
        channels, height, width = self.blobs[self.inputs[0]].shape[1:]
        self.crop_dims = np.array((height, width, channels))
        self.crop_mean = self._mean_image()

    def _mean_image(self) -> Array:
        """The net's mean as an image before preprocessing; zeros where it has none."""
        name, shape = self.inputs[0], self.crop_dims
        zeros = np.zeros(shape[[2, 0, 1]], np.float32)
        if name not in self.transformer.mean:
            return zeros.transpose(1, 2, 0)
        return self.transformer.deprocess(name, zeros)
