"""Databases of pictures with rectangles in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from netspec.proto import AnnotatedDatum
from tests.data.making import write_lmdb

Thing = tuple[int, Sequence[float], int, int]  # label, box, instance, difficult


def annotated(picture: np.ndarray, things: Sequence[Thing], file: bytes = b"") -> bytes:
    """A record: pixels (H, W, C), and objects in the order of their labels."""
    made = AnnotatedDatum(type=AnnotatedDatum.BBOX)
    datum = made.datum
    if file:
        datum.data, datum.encoded = file, True
    else:
        datum.height, datum.width, datum.channels = picture.shape
        datum.data = picture.transpose(2, 0, 1).tobytes()
    groups: dict[int, object] = {}
    for label, box, instance, difficult in things:
        if label not in groups:
            groups[label] = made.annotation_group.add(group_label=label)
        own = groups[label].annotation.add(instance_id=instance)
        own.bbox.xmin, own.bbox.ymin, own.bbox.xmax, own.bbox.ymax = box
        own.bbox.difficult = bool(difficult)
    return made.SerializeToString()


def annotated_lmdb(path: Path, records: Sequence[bytes]) -> Path:
    """An LMDB of them, in order."""
    return write_lmdb(path, ((b"%08d" % i, r) for i, r in enumerate(records)))


def rectangles(
    count: int, side: int, seed: int
) -> list[tuple[np.ndarray, list[Thing]]]:
    """Dark noise with one or two rectangles: bright red is class 1, bright blue 2."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        picture = rng.integers(0, 60, (side, side, 3), np.uint8)
        things: list[Thing] = []
        for half in range(rng.integers(1, 3)):
            label = int(rng.integers(1, 3))
            high, wide = rng.integers(side // 4, side // 2 - 1, 2)
            top = int(rng.integers(0, side - high))
            left = int(rng.integers(0, side // 2 - wide + 1)) + half * (side // 2)
            part = picture[top : top + high, left : left + wide]
            part[..., 2 if label == 1 else 0] = 230
            box = np.array([left, top, left + wide, top + high]) / side
            things.append((label, box.tolist(), half, 0))
        made.append((picture, sorted(things, key=lambda thing: thing[0])))
    return made
