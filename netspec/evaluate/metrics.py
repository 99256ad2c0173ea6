"""Error rates of posteriors against labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from netspec.evaluate.posterior import Doubles

Integers = NDArray[np.int64]

TOPS = (1, 5)
_SURE, _ENOUGH = 0.5, 5  # when a permutation of the labels is a likely explanation


@dataclass(frozen=True)
class Metrics:
    """How often labels were met.

    Args:
        posteriors: (pictures, classes).
        labels: (pictures,), each a class.
    """

    posteriors: Doubles
    labels: Integers

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return self.posteriors.shape[1]

    @property
    def tops(self) -> tuple[int, ...]:
        """For which k a top-k error says something: 1, and 5 among more than five."""
        return tuple(k for k in TOPS if k == 1 or k < self.classes)

    @cached_property
    def ranks(self) -> Integers:
        """How many other classes score at least as well as the label; 0 is best.

        Equal scores count against the label, as in Caffe's Accuracy.
        """
        own = self.posteriors[np.arange(len(self.labels)), self.labels]
        return np.asarray((self.posteriors >= own[:, None]).sum(1) - 1, np.int64)

    def error(self, top: int = 1) -> float:
        """Percent of the pictures whose label is not among the *top* best classes."""
        return float(100 * np.mean(self.ranks >= top))

    @cached_property
    def confusion(self) -> Integers:
        """(classes, classes) counts: row the label, column the best class."""
        best = self.posteriors.argmax(1)
        flat = np.bincount(self.labels * self.classes + best, minlength=self.classes**2)
        return np.asarray(flat.reshape(self.classes, self.classes), np.int64)

    def counts(self) -> Integers:
        """Pictures of each class."""
        return np.bincount(self.labels, minlength=self.classes)

    def class_errors(self, top: int = 1) -> Doubles:
        """Top-k error of each class in percent; nan for one without pictures."""
        wrong = np.bincount(
            self.labels, self.ranks >= top, minlength=self.classes
        )  # weights are 0 and 1
        with np.errstate(invalid="ignore"):
            return np.asarray(100 * wrong / self.counts(), np.float64)

    def worst(self, count: int) -> Integers:
        """Rows of the pictures whose label got the least posterior, worst first."""
        own = self.posteriors[np.arange(len(self.labels)), self.labels]
        return np.argsort(own, kind="stable")[:count]

    def permuted_error(self) -> float | None:
        """Top-1 error if classes were renumbered at best, where that explains much.

        Labels in another order than the net's give the error of chance, although the
        net is right.  None: the error is not that of chance, or no renumbering helps.
        """
        chance = 100 * (1 - 2 / self.classes)
        if len(self.labels) < _ENOUGH * self.classes or self.error() < chance:
            return None
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(self.confusion, maximize=True)
        met = self.confusion[rows, columns].sum() / len(self.labels)
        return float(100 * (1 - met)) if met >= _SURE else None
