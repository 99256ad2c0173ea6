"""Computing features: the values of any blobs for every picture of a set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

from netspec.backends import Device
from netspec.data.naming import about
from netspec.data.preprocess import Preprocess
from netspec.data.rescale import Size
from netspec.data.threads import Progress, silent
from netspec.errors import DataError, UsageError
from netspec.evaluate.batching import Batches
from netspec.evaluate.choice import choose_preprocess, resize_of
from netspec.evaluate.cut import cut, in_test_phase
from netspec.evaluate.features import Take
from netspec.evaluate.images import Images
from netspec.evaluate.looking import check_room
from netspec.evaluate.looks import looks
from netspec.evaluate.posterior import Floats
from netspec.evaluate.reading import Reading, Want, nothing_read
from netspec.evaluate.runner import MEMORY, Form, Runner
from netspec.proto import NetParameter
from netspec.shapes import Shape, describe
from netspec.spec import Located, read_net

_Path = str | PathLike[str]
_Item = tuple[str, int]  # name and label


class Extractor:
    """A net that gives the values of some blobs for the centre crop of pictures.

    Args:
        net, weights, preprocess, adjust: as for :class:`netspec.evaluate.Model`.
        blobs: names; a blob that layers work on in place is read after the last.
        level, stages, device, memory, rename: likewise.

    Attributes:
        shapes: of one row of each blob, by name.

    Raises:
        UsageError: no such blob, or one without a row a picture.
        SpecError, DataError, UsageError: see :class:`netspec.evaluate.Model`.
    """

    def __init__(
        self,
        net: _Path | Located[NetParameter],
        weights: _Path,
        blobs: Sequence[str],
        preprocess: Preprocess | str = "",
        adjust: Mapping[str, Any] | None = None,
        *,
        level: int = 0,
        stages: Sequence[str] = (),
        device: Device = "cpu",
        memory: int = MEMORY,
        rename: Mapping[str, str] | None = None,
    ) -> None:
        spec = net if isinstance(net, Located) else read_net(net)
        self.cut = cut(in_test_phase(spec, level, stages), blobs)
        self.preprocess = choose_preprocess(self.cut, spec, weights, preprocess, adjust)
        self.runner = Runner(
            self.cut, weights, device=device, memory=memory, rename=rename
        )
        self.shapes = self._row_shapes()

    def _row_shapes(self) -> dict[str, Shape]:
        one, two = (self.runner.shapes(self.runner.form, n) for n in (1, 2))
        for name in self.cut.blobs:
            if one[name][:1] != (1,) or two[name] != (2, *one[name][1:]):
                raise UsageError(
                    f"blob {name!r} has no row a picture: for two pictures it is "
                    f"{describe(two[name])}.",
                    "Name a blob whose first axis is the batch.",
                )
        return {name: shape[1:] for name, shape in one.items()}

    def run(
        self,
        images: Images,
        take: Take,
        on_error: str = "error",
        progress: Progress = silent,
    ) -> list[str]:
        """Hand the rows of every picture, in order, to *take*.

        Args:
            take: is handed names, labels (-1: none) and, by blob, rows.
            on_error: what becomes of a picture that cannot be read: ``error`` or
                ``skip``.
            progress: is told (pictures done, pictures in all).

        Returns:
            What was wrong with each picture left out.

        Raises:
            DataError: a bad picture, or none that is good.
            UsageError: nobody knows how whole pictures are resized.
        """
        resize = resize_of(self.preprocess, images.as_stored)
        want = Want(self.preprocess.depth, resize)
        reading = Reading(images, [want], on_error, progress)

        def run(form: Form, items: list[_Item], batch: Floats) -> None:
            names, labels = zip(*items)
            take(names, labels, self.runner.run(form, batch))

        batches: Batches[Form, _Item] = Batches(self.runner.rows, run)
        for number, label, tensor in self._tensors(reading, want):
            batches.add(self.runner.form, (images.name(number), label), tensor)
        batches.finish()
        if len(reading.skipped) == len(images):
            raise nothing_read(reading.skipped)
        return reading.skipped

    def _tensors(
        self, reading: Reading, want: Want
    ) -> Iterator[tuple[int, int, Floats]]:
        """Number, label and centre crop of every picture that has room for one."""
        crop = Size(*self.cut.shape[1:])
        for number, label, pixels in reading:
            whole = pixels[want]
            size = Size(*whole.shape[1:])
            try:
                check_room(size, crop)
            except DataError as error:
                reading.reject(about(reading.subject(number), error))
                continue
            ((window, _),) = looks("single", size, crop, mirror=False)
            yield number, label, self.preprocess.tensor(whole, window)
