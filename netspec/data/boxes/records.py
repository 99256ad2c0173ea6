"""The records of a database of AnnotatedDatums: a picture and its objects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError

from netspec.data.boxes.objects import Objects
from netspec.data.database import Database, datum_pixels
from netspec.data.datum import REMAKE
from netspec.data.decode import Channels
from netspec.data.naming import about
from netspec.data.varint import varint
from netspec.errors import DataError
from netspec.proto import AnnotatedDatum, AnnotationGroup

Picture = np.ndarray  # (H, W, C), uint8

_DATUM, _TYPE, _GROUP = 0x0A, 0x10, 0x1A  # tags: number times 8, plus wire type
_LENGTH = 2


class AnnotatedRecords:
    """Pictures and their objects, by record number.

    Args:
        path: of an LMDB or LevelDB.
        channels: what image files are decoded to.
        boxes_given: the records' type does not matter: they have boxes.

    Attributes:
        most: the largest number of objects of a record, at least 1.
        has_boxes: the records have boxes, and not just a label.

    Raises:
        DataError: missing, damaged, or records of another kind.
    """

    def __init__(self, path: Path, channels: Channels, boxes_given: bool) -> None:
        self.database = Database(path, channels)
        first = self.annotated(0)
        self.has_boxes = boxes_given or first.HasField("type")
        self.decodes = first.datum.encoded
        self.most = max(1, *map(self._count, range(len(self)))) if self.has_boxes else 1

    def __len__(self) -> int:
        return len(self.database)

    def describe(self, index: int) -> str:
        """What record *index* is called in messages."""
        return self.database.describe(index)

    def annotated(self, index: int) -> AnnotatedDatum:
        """Record *index* as it is stored."""
        value = self.database.stored.item(index)[1]
        try:
            found = AnnotatedDatum.FromString(value)  # type: ignore[arg-type]
        except DecodeError:
            raise self._not_one(index) from None
        if not found.HasField("datum") or not found.datum.ByteSize():
            raise self._not_one(index)
        return found

    def _not_one(self, index: int) -> DataError:
        return DataError(
            f"{self.describe(index)} is not an AnnotatedDatum.",
            "A layer of type Data reads databases of Datums; for boxes, make one with "
            "SSD's tools.",
        )

    def _count(self, index: int) -> int:
        """Objects of a record, whose picture is not read."""
        wire, found, at = self.database.stored.item(index)[1], 0, 0
        try:
            while at < len(wire):
                tag, (value, end) = wire[at], varint(wire, at + 1)
                if tag == _GROUP:
                    group = AnnotationGroup.FromString(wire[end : end + value])  # type: ignore[arg-type]
                    found += len(group.annotation)
                elif tag not in (_DATUM, _TYPE):
                    return _objects_of(self.annotated(index))
                at = end + (value if tag & 7 == _LENGTH else 0)
        except (IndexError, DecodeError):
            raise self._not_one(index) from None
        return found

    def record(self, index: int) -> tuple[Picture, Objects, int]:
        """Picture (H, W, C), objects, and the label of the whole.

        Raises:
            DataError: the record is damaged, or its pixels are floats; names it.
        """
        found = self.annotated(index)
        try:
            pixels = datum_pixels(found.datum, self.database.channels)
            if pixels.dtype != np.uint8:
                raise DataError("has floats for pixels.", "AnnotatedData takes bytes.")
            objects = read_objects(found)
        except DataError as error:
            raise about(self.describe(index), error) from None
        return pixels.transpose(1, 2, 0), objects, found.datum.label


def _objects_of(found: AnnotatedDatum) -> int:
    return sum(len(group.annotation) for group in found.annotation_group)


def read_objects(found: AnnotatedDatum) -> Objects:
    """The objects of a record.

    Raises:
        DataError: a box that is not a number.
    """
    rows = [
        (*_corners(each.bbox), group.group_label, each.instance_id, each.bbox.difficult)
        for group in found.annotation_group
        for each in group.annotation
    ]
    table = np.array(rows, np.float32).reshape(-1, 7)
    if not np.isfinite(table).all():
        raise DataError("has a box that is not a number.", REMAKE)
    return Objects(table[:, :4], table[:, 4:])


def _corners(box) -> tuple[float, ...]:  # type: ignore[no-untyped-def]
    return box.xmin, box.ymin, box.xmax, box.ymax
