"""Running a protocol: every picture of a set to posteriors over the classes.

Looks of one size wait until they fill a batch, whatever pictures they are of; so a net
is planned once a size, and a dense test computes each pixel of each picture once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from netspec.data.naming import about
from netspec.data.threads import Progress, silent
from netspec.errors import DataError
from netspec.evaluate.batching import Batches
from netspec.evaluate.images import Images
from netspec.evaluate.looking import Looking, Seen
from netspec.evaluate.model import Model, check_alike, class_names
from netspec.evaluate.outcome import Conditions, Outcome
from netspec.evaluate.posterior import Floats, posteriors
from netspec.evaluate.protocols import Protocol
from netspec.evaluate.reading import Picture, Reading, nothing_read
from netspec.evaluate.runner import Form

_Key = tuple[int, Form]  # which model, at which size
_Item = tuple[int, float]  # which picture, and how much its posterior counts


def evaluate(
    models: Sequence[Model],
    images: Images,
    protocol: Protocol,
    on_error: str = "error",
    progress: Progress = silent,
) -> Outcome:
    """Posteriors of every picture under a protocol, averaged over the models.

    Args:
        models: one, or an ensemble.
        on_error: what becomes of a picture that cannot be read: ``error`` or ``skip``.
        progress: is told (pictures done, pictures in all).

    Raises:
        UsageError: models of different classes, or scales that do not suit them.
        DataError: a bad picture, a label that is no class, scores that are no numbers.
        SpecError: a dense protocol, and a net that cannot be made fully convolutional.
    """
    check_alike(models)
    evaluation = _Evaluation(models, images, protocol)
    start, macs = time.perf_counter(), evaluation.macs
    reading = Reading(images, evaluation.wants, on_error, progress)
    evaluation.read(reading)
    seconds = time.perf_counter() - start
    return evaluation.outcome(reading.skipped, evaluation.macs - macs, seconds)


class _Evaluation:
    """The sums of a pass over the pictures."""

    def __init__(
        self, models: Sequence[Model], images: Images, protocol: Protocol
    ) -> None:
        self._models, self._images = models, images
        self._classes = class_names(models, images.classes)
        self._looking = Looking(models, protocol, images.as_stored)
        every = (want for wants in self._looking.wants for want in wants)
        self.wants = list(dict.fromkeys(every))
        self._totals = np.zeros((len(images), models[0].classes))
        self._labels = np.full(len(images), -1, np.int64)
        self._done = np.zeros(len(images), bool)
        self._batches: Batches[_Key, _Item] = Batches(self._rows, self._run)

    @property
    def macs(self) -> int:
        """Multiply-accumulates that the models have done so far."""
        return sum(model.runner.macs for model in self._models)

    def read(self, reading: Reading) -> None:
        """Look at every picture."""
        for picture in reading:
            self._check_label(picture)
            try:
                seen = self._looking.at(picture)
            except DataError as error:
                reading.reject(about(reading.subject(picture.number), error))
                continue
            self._done[picture.number] = True
            self._labels[picture.number] = picture.label
            for one in seen:
                self._take(picture, one)
        self._batches.finish()

    def _check_label(self, picture: Picture) -> None:
        classes = self._models[0].classes
        if self._images.labelled and not 0 <= picture.label < classes:
            name = self._images.name(picture.number)
            raise DataError(
                f"image '{name}' has label {picture.label}; the net has {classes} "
                "classes, from 0.",
                "Correct the labels, or test the net that they belong to.",
            )

    def _take(self, picture: Picture, seen: Seen) -> None:
        preprocess = self._models[seen.model].preprocess
        tensor = preprocess.tensor(picture.pixels[seen.want], seen.window)
        item = (picture.number, seen.weight)
        self._batches.add((seen.model, seen.form), item, tensor)

    def _rows(self, key: _Key) -> int:
        return self._models[key[0]].runner.rows(key[1])

    def _run(self, key: _Key, items: list[_Item], batch: Floats) -> None:
        """Run looks that waited, and add up their posteriors."""
        (scores,) = self._models[key[0]].runner.run(key[1], batch).values()
        found = posteriors(scores, self._looking.protocol.average)
        for (picture, weight), posterior in zip(items, found):
            self._totals[picture] += weight * posterior

    def outcome(self, skipped: list[str], macs: int, seconds: float) -> Outcome:
        """What was found.

        Raises:
            DataError: nothing, or scores that are no numbers.
        """
        done = np.flatnonzero(self._done)
        if not len(done):
            raise nothing_read(skipped)
        self._check_finite(done)
        return Outcome(
            conditions=self._conditions(len(done)),
            numbers=done,
            names=tuple(self._images.name(int(i)) for i in done),
            labels=self._labels[done] if self._images.labelled else None,
            posteriors=self._totals[done],
            skipped=tuple(skipped),
            notes=tuple(self._looking.notes),
            macs=macs,
            seconds=seconds,
        )

    def _check_finite(self, done: NDArray[np.int64]) -> None:
        bad = done[~np.isfinite(self._totals[done]).all(1)]
        if len(bad):
            raise DataError(
                f"the scores of image '{self._images.name(int(bad[0]))}' and of "
                f"{len(bad) - 1} others are no numbers.",
                "The weights have diverged, or are of another net.",
            )

    def _conditions(self, count: int) -> Conditions:
        preprocess = self._models[0].preprocess
        protocol = self._looking.protocol
        scales = ",".join(map(str, protocol.scales))
        return Conditions(
            protocol=protocol,
            models=tuple(model.name for model in self._models),
            train_scale=preprocess.train_scale,
            test_scale=scales or str(preprocess.resize or "as stored"),
            images=count,
            class_count=self._models[0].classes,
            classes=self._classes,
        )
