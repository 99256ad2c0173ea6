"""Reading tops that are transformed pictures and their labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netspec.data.naming import about
from netspec.data.protocols import Floats, PictureSource
from netspec.data.transform import Transform
from netspec.errors import DataError
from netspec.shapes import Shape, describe


class PictureReader:
    """Pictures as batches (N, C, H, W), and labels (N,) for a second top.

    See :class:`~netspec.data.protocols.Reader`.
    """

    def __init__(self, source: PictureSource, transform: Transform, tops: int) -> None:
        self.source = source
        self.transform = transform
        self.describe = source.describe
        self.decodes = source.decodes
        self.fixed_shape = source.fixed_shape or transform.crop > 0
        self._tops = tops
        self._first_shape = self._shape(source.record(0)[0].shape, 0)

    def __len__(self) -> int:
        return len(self.source)

    def shapes(self) -> tuple[Shape, ...]:
        """Shape of one sample of each top, by the first record."""
        return (self._first_shape, ())[: self._tops]

    def read(
        self, indices: Sequence[int], first: int, out: tuple[Floats, ...] | None
    ) -> tuple[Floats, ...]:
        """An array a top; the first picture decides the shape where *out* does not."""
        data, labels = (*(out or ()), None, None)[:2]
        if labels is None:
            labels = np.empty(len(indices), np.float32)
        draws = self.transform.draws(first, len(indices))
        for row, index in enumerate(indices):
            picture, labels[row] = self.source.record(index)
            shape = self._shape(picture.shape, index)
            if data is None:
                data = np.empty((len(indices), *shape), np.float32)
            self._check_alike(shape, data.shape[1:], index)
            self.transform.place(picture, draws[row], data[row])
        assert data is not None
        self.transform.finish(data)
        return (data, labels)[: self._tops]

    def _shape(self, picture: Shape, index: int) -> Shape:
        try:
            return self.transform.shape(picture)
        except DataError as error:
            raise about(self.describe(index), error) from None

    def _check_alike(self, shape: Shape, wanted: Shape, index: int) -> None:
        if shape != wanted:
            raise DataError(
                f"{self.describe(index)} is {describe(shape)}, where the batch has "
                f"{describe(wanted)}.",
                "Pictures of different sizes need crop_size, or a batch_size of 1.",
            )
