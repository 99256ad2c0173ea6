"""Two arrays that should be equal, and by how much they are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netspec.shapes import Shape

Array = Any

TOLERANCE = 1e-4
"""Largest difference by the blob's largest value: what float32 sums in another order
leave after some twenty layers, and far below what any misread option would."""


@dataclass(frozen=True)
class Difference:
    """How far two versions of one blob are apart.

    Attributes:
        max_abs: the largest absolute difference.
        max_rel: that, by the largest absolute value of the first version.
        cosine: of the angle between both as vectors; 1 where both are zero.
        problem: why no numbers could be compared, or "".
    """

    name: str
    shape: Shape
    max_abs: float = 0.0
    max_rel: float = 0.0
    cosine: float = 1.0
    problem: str = ""

    def passes(self, tolerance: float) -> bool:
        """Whether the versions agree."""
        return not self.problem and self.max_rel <= tolerance


def difference(name: str, first: Array, second: Array) -> Difference:
    """Compare two arrays; a shape may differ by axes of extent 1 at its end."""
    one, two = np.asarray(first), np.asarray(second)
    shape = tuple(one.shape)
    if _trimmed(shape) != _trimmed(two.shape):
        problem = f"shape {list(two.shape)} instead of {list(shape)}"
        return Difference(name, shape, problem=problem)
    return _distance(name, shape, one.reshape(-1), two.reshape(-1))


def _trimmed(shape: Shape) -> Shape:
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return tuple(shape)


def _distance(name: str, shape: Shape, one: Array, two: Array) -> Difference:
    if one.dtype == two.dtype and np.array_equal(one, two):
        return Difference(name, shape)
    one, two = one.astype(np.float64), two.astype(np.float64)
    known = np.isfinite(one)
    same = np.isnan(one) == np.isnan(two)
    if not np.all(
        np.where(known, np.isfinite(two), same & ((one == two) | (one != one)))
    ):
        return Difference(name, shape, problem="other values that are not finite")
    one, two = one[known], two[known]
    worst = float(np.abs(one - two).max(initial=0.0))
    scale = float(np.abs(one).max(initial=0.0))
    return Difference(name, shape, worst, _ratio(worst, scale), _cosine(one, two))


def _ratio(worst: float, scale: float) -> float:
    if worst == 0:
        return 0.0
    return worst / scale if scale else float("inf")


def _cosine(one: Array, two: Array) -> float:
    norms = float(np.linalg.norm(one) * np.linalg.norm(two))
    return float(one @ two) / norms if norms else float(not one.any() and not two.any())


def differences(
    first: Mapping[str, Array], second: Mapping[str, Array], names: Iterable[str]
) -> list[Difference]:
    """Compare blobs by name; one that the second side lacks is a problem."""
    found = []
    for name in names:
        if name in second:
            found.append(difference(name, first[name], second[name]))
        else:
            shape = tuple(np.shape(first[name]))
            found.append(Difference(name, shape, problem="missing"))
    return found
