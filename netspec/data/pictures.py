"""Reading tops that are transformed pictures and their labels."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from netspec.data.naming import about
from netspec.data.protocols import Floats, PictureSource, Raster, Transformation
from netspec.data.raw import RawPictures, Top, pays
from netspec.data.transform import Transform
from netspec.errors import DataError, DataWarning
from netspec.shapes import Shape, describe

_MOST_BAD = 100  # records one after the other that may be bad


class PictureReader:
    """Pictures as batches (N, C, H, W), and labels (N,) for a second top.

    See :class:`~netspec.data.protocols.Reader`.

    Args:
        replace_bad: where a record is bad, take the next that is not, and warn once.

    Attributes:
        replaced: what was wrong with each record that another stood in for.
    """

    def __init__(
        self,
        source: PictureSource,
        transform: Transformation,
        tops: int,
        replace_bad: bool = False,
    ) -> None:
        self.source = source
        self.transform = transform
        self.replaced: dict[int, str] = {}
        self.describe = source.describe
        self.decodes = source.decodes
        self.fixed_shape = source.fixed_shape or transform.crop > 0
        self._tops = tops
        self._tries = min(_MOST_BAD, len(source)) if replace_bad else 1
        raster, _ = self.raster(0, transform.draws(0, 1)[0])
        self._first_shape = transform.shape(raster.shape)
        self._picture = raster.shape
        self._raw = self._is_raw(raster) and pays(raster.shape, self._first_shape)

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
            raster, labels[row] = self.raster(index, draws[row])
            shape = self.transform.shape(raster.shape)
            if data is None:
                data = np.empty((len(indices), *shape), np.float32)
            self._check_alike(shape, data.shape[1:], index)
            self.transform.place(raster, draws[row], data[row])
        assert data is not None
        self.transform.finish(data)
        return (data, labels)[: self._tops]

    def room(self, count: int) -> tuple[Top, ...] | None:
        """Tops for :meth:`read_raw` to fill, with pictures as bytes.

        None where that does not pay, where the transformation is not Caffe's own, and
        once a picture has been met that is not bytes or not of the first one's size.
        """
        if not (self._raw and isinstance(self.transform, Transform)):
            return None
        pictures = RawPictures.empty(count, self._picture, self.transform)
        return (pictures, np.empty(count, np.float32))[: self._tops]

    def read_raw(
        self, indices: Sequence[int], first: int, out: tuple[Top, ...]
    ) -> tuple[Top, ...]:
        """Fill what :meth:`room` gave, or, if a picture is unlike the first, return
        what :meth:`read` does."""
        pictures, *rest = out
        assert isinstance(pictures, RawPictures)
        labels = np.asarray(rest[0]) if rest else np.empty(len(indices), np.float32)
        draws = self.transform.draws(first, len(indices))
        for row, (index, draw) in enumerate(zip(indices, draws)):
            raster, labels[row] = self.raster(index, draw)
            if not self._is_raw(raster):
                self._raw = False
                return self.read(indices, first, None)
            pictures.pixels[row] = raster.pixels
            pictures.places[row] = pictures.transform.seen(raster.shape, draw)
        return out

    def _is_raw(self, raster: Raster) -> bool:
        pixels = raster.pixels
        return pixels.dtype == np.uint8 and pixels.shape == self._picture

    def raster(
        self, index: int, draw: list[int], in_full: bool = False
    ) -> tuple[Raster, int]:
        """The picture and label that stand at a record's place.

        Args:
            draw: the words of a sample, whose part of the picture is wanted.
            in_full: do not decode it smaller.

        Raises:
            DataError: the record is bad and may not be replaced, or so are all those
                behind it.
        """
        first: DataError | None = None
        for ahead in range(self._tries):
            at = (index + ahead) % len(self.source)
            try:
                raster, label = self._fitting(at, None if in_full else draw)
            except DataError as error:
                first = first or error
            else:
                if first:
                    self._warn(index, at, first)
                return raster, label
        assert first is not None
        raise first

    def _fitting(self, index: int, draw: list[int] | None) -> tuple[Raster, int]:
        shrink = None if draw is None else self.transform.shrink(draw)
        raster, label = self.source.raster(index, shrink)
        try:
            self.transform.shape(raster.shape)
        except DataError as error:
            raise about(self.describe(index), error) from None
        return raster, label

    def _warn(self, index: int, instead: int, error: DataError) -> None:
        if index in self.replaced:
            return
        self.replaced[index] = error.problem
        text = f"{error.problem[:-1]}: {self.describe(instead)} stands in its place."
        warnings.warn(text, DataWarning, stacklevel=2)

    def _check_alike(self, shape: Shape, wanted: Shape, index: int) -> None:
        if shape != wanted:
            raise DataError(
                f"{self.describe(index)} is {describe(shape)}, where the batch has "
                f"{describe(wanted)}.",
                "Pictures of different sizes need crop_size, or a batch_size of 1.",
            )
