"""Feeds: what fills the tops of a data layer, sample after sample.

    feed = Feed(layer, TRAIN, seed=1)
    data, label = feed.read(first=6400, count=64)

Sample numbers count from the start of training and never end: sample *n* is record
``n % size`` of epoch ``n // size``, whatever came before and whoever asks.  So shards,
devices, workers and resumed runs all see one stream.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netspec.data.memory import Arrays
from netspec.data.opening import OPENERS, Request
from netspec.data.order import Order
from netspec.data.pictures import PictureReader
from netspec.data.raw import RawPictures, Top
from netspec.data.threads import cores
from netspec.errors import DataError, NetspecError, UsageError
from netspec.proto import TRAIN, LayerParameter
from netspec.shapes import Shape

Floats = NDArray[np.float32]

_Out = TypeVar("_Out")
_Tops = TypeVar("_Tops")
_MOST_WORKERS = 8  # beyond, they get into each other's way in the interpreter


class Feed:
    """The stream of samples of one data layer.

    Args:
        layer: a Data, ImageData, HDF5Data or MemoryData layer.
        phase: TRAIN crops at random, TEST in the centre.
        seed: of shuffling, crops, mirrors and rand_skip.
        root: folder that the relative paths in the layer start from.

    Attributes:
        layer: its name and type.
        reader: what reads its records.
        tops: names of the layer's tops.
        batch_size: of the layer.
        decodes: whether samples are image files, so that reading ahead on several
            threads pays.
        workers: threads to read ahead on: as the layer says, or chosen by the cores; 0
            where there is nothing to wait for.
        prefetch: ranges to keep ready, as the layer says.
        fixed_shape: whether all samples are known to have one shape.

    Raises:
        SpecError: the layer's message is wrong.
        DataError: what it names is missing, damaged or unfit.
    """

    def __init__(
        self,
        layer: LayerParameter,
        phase: int = TRAIN,
        *,
        seed: int = 0,
        root: Path | str = ".",
    ) -> None:
        self.layer = (layer.name, layer.type)
        self.tops = tuple(layer.top)
        request = Request(layer, phase == TRAIN, seed, Path(root))
        try:
            opened = OPENERS[layer.type](request)
        except NetspecError as error:
            raise error.at(layer=self.layer) from None
        self.reader, self._order = opened.reader, opened.order
        self.batch_size, self.prefetch = opened.batch, opened.prefetch
        self.decodes = self.reader.decodes
        self.workers = opened.workers or self._chosen_workers()
        self.fixed_shape = self.reader.fixed_shape

    def _chosen_workers(self) -> int:
        if self.decodes:
            return min(_MOST_WORKERS, cores())
        return 1 if self._arrays is None else 0

    @property
    def _arrays(self) -> Arrays | None:
        """What holds the rows of a MemoryData layer."""
        source = getattr(self.reader, "source", None)
        return source if isinstance(source, Arrays) else None

    @property
    def size(self) -> int:
        """Records an epoch."""
        return self._order.size

    def shapes(self, batch: int | None = None) -> tuple[Shape, ...]:
        """Shapes of the tops for a batch; where records differ, by the first."""
        count = self.batch_size if batch is None else batch
        return tuple((count, *shape) for shape in self.reader.shapes())

    def read(
        self, first: int, count: int, out: tuple[Floats, ...] | None = None
    ) -> tuple[Floats, ...]:
        """Samples *first* to *first + count - 1*: an array of float32 a top.

        A pure function of the files, the seed and its arguments; any number of threads
        may call it.

        Args:
            out: arrays to fill and return, of the shapes the samples have.

        Raises:
            DataError: a record is damaged or does not fit; names it.
        """
        return self._read(self.reader.read, first, count, out)

    def read_raw(
        self, first: int, count: int, out: tuple[Top, ...] | None = None
    ) -> tuple[Top, ...]:
        """The same, with :class:`~netspec.data.raw.RawPictures` where they can be.

        Args:
            out: what :meth:`room` gave. It is filled and returned, unless a picture is
                unlike the first: the arrays are then new, and hold what :meth:`read`
                gives.
        """
        reader = self.reader
        if isinstance(reader, PictureReader):
            room = out or reader.room(count)
            if room and isinstance(room[0], RawPictures):
                return self._read(reader.read_raw, first, count, room)
        return self.read(first, count, cast("tuple[Floats, ...] | None", out))

    def room(self, count: int, raw: bool = False) -> tuple[Top, ...]:
        """Tops of *count* samples to be filled by :meth:`read`.

        Args:
            raw: by :meth:`read_raw`.
        """
        reader = self.reader
        found = (
            reader.room(count) if raw and isinstance(reader, PictureReader) else None
        )
        return found or tuple(np.empty(s, np.float32) for s in self.shapes(count))

    def _read(
        self,
        read: Callable[[list[int], int, _Out], _Tops],
        first: int,
        count: int,
        out: _Out,
    ) -> _Tops:
        """What a reader's method gives of samples that exist, or its error, located."""
        if first < 0 or count < 1:
            raise ValueError(f"{count} samples from number {first} do not exist")
        if not self.size:
            raise DataError(
                "has no arrays yet.",
                "Hand them over with set_arrays(data, labels).",
                layer=self.layer,
            )
        try:
            return read(self.records(first, count), first, out)
        except NetspecError as error:
            raise error.at(layer=self.layer) from None

    def records(self, first: int, count: int) -> list[int]:
        """Numbers of the records that samples *first* to *first + count - 1* are."""
        return self._order.indices(first, count)

    def describe(self, sample: int) -> str:
        """What sample number *sample* is called in messages."""
        return self.reader.describe(self.records(sample, 1)[0])

    def set_arrays(self, data: ArrayLike, labels: ArrayLike) -> None:
        """Give a MemoryData layer its pictures (n, C, H, W) and n labels.

        Raises:
            UsageError: another type of layer, or arrays that do not fit it.
        """
        arrays = self._arrays
        if arrays is None:
            raise UsageError(
                "takes no arrays.", "Only MemoryData does.", layer=self.layer
            )
        arrays.set(data, labels)
        self._order = Order(len(arrays))
