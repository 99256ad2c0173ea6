"""Mean pixel and principal axes of the colours of many pictures.

Every picture counts alike, whatever its size::

    mean = 1/P sum over pictures of (1/n sum over its n pixels of x)

and likewise the covariance, whose eigenvectors are the axes of the colour shift of
Krizhevsky et al. (2012), section 4.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from netspec.data.protocols import PictureSource, Pixels
from netspec.data.threads import Progress, cores, in_order, silent
from netspec.errors import DataError

Doubles = NDArray[np.float64]
Moments = tuple[Doubles, Doubles]  # the mean of x, (C,), and of x x^T, (C, C)


@dataclass
class ColourSums:
    """Sums over pictures of the moments of each."""

    pictures: int = 0
    first: Doubles = field(default_factory=lambda: np.zeros(1))
    second: Doubles = field(default_factory=lambda: np.zeros((1, 1)))

    def add(self, moments: Moments) -> None:
        """Count one picture more."""
        self.first = self.first + moments[0]
        self.second = self.second + moments[1]
        self.pictures += 1

    @property
    def mean(self) -> Doubles:
        """The mean pixel, (C,)."""
        return self.first / self.pictures

    @property
    def axes(self) -> Doubles:
        """Principal axes, (C, C), the longest first, each as long as the deviation.

        Of the two directions of an axis, the one whose components sum to more.
        """
        covariance = self.second / self.pictures - np.outer(self.mean, self.mean)
        values, vectors = np.linalg.eigh(covariance)
        axes = (vectors * np.sqrt(values.clip(0))).T[::-1]
        signs: Doubles = np.where(axes.sum(1) < 0, -1.0, 1.0)[:, None]
        return axes * signs


def moments(picture: Pixels) -> Moments:
    """Mean colour and mean of x x^T of one picture (C, H, W)."""
    flat = picture.reshape(len(picture), -1).astype(np.float64)
    return flat.mean(1), flat @ flat.T / flat.shape[1]


def colour_sums(
    source: PictureSource,
    records: Sequence[int],
    workers: int = 0,
    progress: Progress = silent,
) -> ColourSums:
    """Moments of some records of a source; the same for any number of workers.

    Raises:
        DataError: a bad record, or pictures of one and of three channels.
    """
    sums, depth = ColourSums(), 0
    found = in_order(partial(_moments, source), records, workers or cores())
    for done, (index, of_picture) in enumerate(zip(records, found), 1):
        depth = depth or len(of_picture[0])
        here = len(of_picture[0])
        if here != depth:
            raise DataError(
                f"{source.describe(index)} has {here} channels, and those before it "
                f"{depth}.",
                "Store pictures of one kind.",
            )
        sums.add(of_picture)
        progress(done, len(records))
    return sums


def _moments(source: PictureSource, index: int) -> Moments:
    return moments(source.record(index)[0])


def evenly(size: int, wanted: int) -> range | list[int]:
    """Numbers of *wanted* of *size* records, as far apart as can be; 0: all of them."""
    if not 0 < wanted < size:
        return range(size)
    return [i * size // wanted for i in range(wanted)]
