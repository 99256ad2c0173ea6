"""The objects of a picture, and what becomes of them when a part is cut out of it.

A box is (left, top, right, bottom) as parts of the picture.  Source: SSD's
``bbox_util`` and ``DataTransformer::TransformAnnotation``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netspec.proto import EmitConstraint

Boxes = Any  # NDArray[np.float32], a type that NumPy's stubs lose in arithmetic
Mask = Any  # NDArray[np.bool_]
WHOLE: Boxes = np.array([0, 0, 1, 1], np.float32)
ROW = 8  # image, label, instance, four corners, difficult


@dataclass(frozen=True)
class Objects:
    """What a picture shows.

    Attributes:
        boxes: (G, 4).
        facts: (G, 3): label, instance, and 1 where the object is difficult.
    """

    boxes: Boxes
    facts: Boxes

    def __len__(self) -> int:
        return len(self.boxes)

    def within(self, part: Boxes, emit: EmitConstraint | None) -> Objects:
        """Those that are seen in a part (4,) of the picture, relative to it.

        Args:
            emit: which of them stay; None: all that are seen at all.
        """
        stay = _touches(self.boxes, part)
        if emit is not None:
            stay &= _stays(self.boxes, part, emit)
        size = np.tile(part[2:] - part[:2], 2)
        boxes = (self.boxes[stay] - np.tile(part[:2], 2)) / size
        boxes = boxes.clip(0, 1)
        seen = areas(boxes) > 0
        return Objects(boxes[seen], self.facts[stay][seen])

    def mirrored(self) -> Objects:
        """The same in a picture that is flipped."""
        boxes = self.boxes.copy()
        boxes[:, [0, 2]] = 1 - self.boxes[:, [2, 0]]
        return replace(self, boxes=boxes)

    def moved(self, factor: Boxes, offset: Boxes) -> Objects:
        """Boxes times a factor (2,) plus an offset (2,), cut to the picture before."""
        boxes = self.boxes.clip(0, 1) * np.tile(factor, 2) + np.tile(offset, 2)
        return replace(self, boxes=boxes.astype(np.float32))

    def rows(self, image: int) -> Boxes:
        """Rows as a net gets them, (G, 8)."""
        numbers = np.full((len(self), 1), image, np.float32)
        label_and_instance, difficult = self.facts[:, :2], self.facts[:, 2:]
        return np.concatenate(
            [numbers, label_and_instance, self.boxes, difficult], axis=1
        )


def areas(boxes: Boxes) -> Boxes:
    """Areas of boxes (G, 4); 0 where one is turned inside out."""
    return np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)


def shared(boxes: Boxes, parts: Boxes) -> Boxes:
    """Areas that boxes (G, 4) share with parts (T, 4): (T, G)."""
    low = np.maximum(boxes[None, :, :2], parts[:, None, :2])
    high = np.minimum(boxes[None, :, 2:], parts[:, None, 2:])
    return np.prod(np.maximum(high - low, 0), axis=2)


def _touches(boxes: Boxes, part: Boxes) -> Mask:
    inside = (boxes[:, :2] < part[2:]) & (boxes[:, 2:] > part[:2])
    return inside.all(axis=1)


def _stays(boxes: Boxes, part: Boxes, emit: EmitConstraint) -> Mask:
    if emit.emit_type == EmitConstraint.CENTER:
        center = (boxes[:, :2] + boxes[:, 2:]) / 2
        inside = (center >= part[:2]) & (center <= part[2:])
        return inside.all(axis=1)
    both, whole = shared(boxes, part[None])[0], areas(boxes)
    coverage = np.where(both > 0, both / np.where(whole > 0, whole, 1), 0)
    return coverage > np.float32(emit.emit_overlap)
