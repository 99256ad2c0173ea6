"""Reading tops that are pictures and the boxes of their objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netspec.data.boxes.objects import ROW
from netspec.data.boxes.records import AnnotatedRecords
from netspec.data.boxes.transform import BoxTransform
from netspec.data.draws import Row
from netspec.data.naming import about
from netspec.data.protocols import Floats
from netspec.errors import DataError
from netspec.shapes import Shape, describe

NOTHING = -1  # in all of a row that stands for no object


class BoxReader:
    """Pictures (N, C, H, W), and for a second top their objects (N, 1, most, 8).

    A row is (image of the batch, label, instance, left, top, right, bottom, difficult);
    rows beyond an image's objects are -1.  Records that have only a label give that,
    (N,).  See :class:`~netspec.data.protocols.Reader`.
    """

    def __init__(
        self, source: AnnotatedRecords, transform: BoxTransform, tops: int, batch: int
    ) -> None:
        self._source, self._transform = source, transform
        self._tops, self._batch = tops, batch
        self.describe = source.describe
        self.decodes = True  # the transformation alone takes long enough
        self.fixed_shape = transform.fixed_size is not None
        pixels = source.record(0)[0]
        self._shape = self._fitting(0, pixels)

    def __len__(self) -> int:
        return len(self._source)

    def shapes(self) -> tuple[Shape, ...]:
        """Shape of one picture, and of its objects or its label."""
        rows = (1, self._source.most, ROW) if self._source.has_boxes else ()
        return (self._shape, rows)[: self._tops]

    def read(
        self, indices: Sequence[int], first: int, out: tuple[Floats, ...] | None
    ) -> tuple[Floats, ...]:
        """An array a top."""
        count = len(indices)
        out = out or tuple(np.empty((count, *s), np.float32) for s in self.shapes())
        draws = self._transform.draws(first, count)
        for row, index in enumerate(indices):
            tops = tuple(top[row : row + 1] for top in out)
            self._place(index, (first + row) % self._batch, draws[row], tops)
        return out

    def _place(
        self, index: int, image: int, draw: Row, tops: tuple[Floats, ...]
    ) -> None:
        picture, objects, label = self._source.record(index)
        shape = self._fitting(index, picture)
        if shape != tops[0].shape[1:]:
            raise DataError(
                f"{self.describe(index)} comes to {describe(shape)}, where the batch "
                f"has {describe(tops[0].shape[1:])}.",
                "Pictures of different sizes need resize_param or crop_size; grey and "
                "coloured ones force_color.",
            )
        try:
            seen = self._transform.place(picture, objects, draw, tops[0][0])
        except DataError as error:
            raise about(self.describe(index), error) from None
        if len(tops) < 2:
            return
        if self._source.has_boxes:
            tops[1][...] = NOTHING
            tops[1][0, 0, : len(seen)] = seen.rows(image)
        else:
            tops[1][...] = label

    def _fitting(self, index: int, picture: np.ndarray) -> Shape:
        height, width, channels = picture.shape
        try:
            return self._transform.shape((channels, height, width))
        except DataError as error:
            raise about(self.describe(index), error) from None
