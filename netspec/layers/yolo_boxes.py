"""What the two layers share that report the boxes of YOLO's detectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from netspec.backends.base import BoxRule
from netspec.errors import SpecError
from netspec.layers.base import Array, Run, Shapes, at_least
from netspec.layers.no_gradient import NoGradient
from netspec.shapes import Shape, describe

Doubles = NDArray[np.float64]
ROW = 7  # image, label, score and four corners
BOX = 5  # numbers of a box before its classes: x, y, width, height, object


class YoloBoxes(NoGradient):
    """Base: maps of predictions, N x (boxes · (5 + classes)) x H x W, to
    1 x 1 x boxes x 7.

    A row is (image, label, score, left, top, right, bottom); labels count from 1.
    Rows go by image, then score; where no image has any, there is one row an image of
    its number and -1s. Boxes of all classes cover each other.

    Attributes:
        each: boxes a place.
        classes: how many there are.
    """

    bottoms = at_least(1)
    resizes = True
    param: ClassVar[str]
    each: int
    classes: int
    labels_a_box: int = 1

    def setup(self) -> None:
        """Read what both messages have."""
        message = self.message = getattr(self.proto, self.param)
        self.each, self.classes = message.num_box, message.num_classes
        for name in ("num_box", "num_classes"):
            if getattr(message, name) < 1:
                raise SpecError(
                    f"{name} is 0.", "Give at least 1.", field=f"{self.param}.{name}"
                )
        if len(message.biases) % 2:
            raise SpecError(
                f"biases is given {len(message.biases)} times.",
                "Give the width and the height of each anchor.",
                field=f"{self.param}.biases",
            )
        self.anchors: Doubles = np.array(message.biases, np.float64).reshape(-1, 2)
        # What overlaps by the threshold is covered as well.
        least = np.nextafter(np.float32(message.nms_threshold), np.float32(-1))
        self.rule = BoxRule("CORNER", False, -np.inf, -1, float(least), 1.0)

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """As many rows as there can be."""
        for i, shape in enumerate(bottom):
            self._check(i, shape, bottom[0])
        places = sum(shape[2] * shape[3] for shape in bottom)
        rows = bottom[0][0] * max(1, places * self.each * self.labels_a_box)
        return ((1, 1, rows, ROW),)

    def _check(self, i: int, shape: Shape, first: Shape) -> None:
        wanted = self.each * (BOX + self.classes)
        if len(shape) != 4 or shape[1] != wanted or shape[0] != first[0]:
            raise SpecError(
                f"bottom {i} has shape {describe(shape)} for {self.each} boxes a place "
                f"and {self.classes} classes.",
                f"It must be N x {wanted} x H x W: see num_box and num_classes.",
                field=f"bottom.{i}",
            )

    def couples_batch(self, bottom: Shapes) -> bool:
        """Its rows are not images, and hold their numbers."""
        return True

    def forward(self, ops: Any, run: Run) -> None:
        """Decode all boxes, choose, resize the top."""
        maps = [ops.download(x) for x in run.bottom]
        rows = [
            self._rows(ops, image, [each[image] for each in maps])
            for image in range(len(maps[0]))
        ]
        found = np.concatenate(rows)
        if not len(found):
            found = np.full((len(maps[0]), ROW), -1.0)
            found[:, 0] = np.arange(len(found))
        run.resize(((1, 1, *found.shape),))
        ops.upload(found, run.top[0].reshape(-1, ROW)[: len(found)])

    def _rows(self, ops: Any, image: int, maps: Sequence[Array]) -> Doubles:
        parts = [self._candidates(i, each) for i, each in enumerate(maps)]
        every: Doubles = np.concatenate(parts)
        kept = ops.suppress(every[:, 2:], every[:, 1], self.rule)
        numbers = np.full((len(kept), 1), float(image))
        return np.concatenate([numbers, every[kept]], axis=1)

    def _candidates(self, i: int, values: Array) -> Doubles:
        """Label, score and corners (K, 6) of what one map of an image predicts."""
        height, width = values.shape[1:]
        table = values.astype(np.float64).reshape(self.each, -1, height, width)
        corners = self._corners(table, self.shares(i, height, width))
        which, label, scores = self.scores(table)
        return np.concatenate([label[:, None], scores[:, None], corners[which]], axis=1)

    def _corners(self, table: Doubles, share: Doubles) -> Doubles:
        """Boxes (each · H · W, 4) of a map (each, 5 + classes, H, W)."""
        height, width = table.shape[2:]
        x = (np.arange(width) + sigmoid(table[:, 0])) / width
        y = (np.arange(height)[:, None] + sigmoid(table[:, 1])) / height
        half_w = np.exp(table[:, 2]) * share[:, 0, None, None] / 2
        half_h = np.exp(table[:, 3]) * share[:, 1, None, None] / 2
        sides = [x - half_w, y - half_h, x + half_w, y + half_h]
        return np.stack(sides, axis=-1).reshape(-1, 4)

    def shares(self, i: int, height: int, width: int) -> Doubles:
        """Anchors of map *i* as parts of the image, (each, 2): width and height."""
        raise NotImplementedError(type(self).__name__)

    def scores(self, table: Doubles) -> tuple[Array, Array, Array]:
        """Of what is above the threshold: number of the box, label, and score."""
        raise NotImplementedError(type(self).__name__)


def sigmoid(x: Doubles) -> Doubles:
    """1 / (1 + exp(-x)), without overflow."""
    found: Doubles = 0.5 + 0.5 * np.tanh(0.5 * x)
    return found
