"""The reduction tree: one fixed order in which an iteration's gradients are added.

An iteration's images are cut into *leaves*, numbered in order of the data: each shard
of each pass over the net is one.  Leaves are gathered into the greatest power of two of
equal *groups*; a group's leaves add up in order, and the groups in a binary tree::

    12 leaves:  ((0+1+2) + (3+4+5)) + ((6+7+8) + (9+10+11))

The tree depends on the number of leaves alone.  A rank that owns 2^k neighbouring
groups adds up its own subtree, and the ranks go on with the same tree, so every such
number of ranks gives the same bits.  Another number of ranks shares the leaves out as
evenly as it can; its sums are equal within rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any


@dataclass(frozen=True)
class Leaves:
    """The leaves of one iteration that one rank owns.

    Attributes:
        total: leaves of the iteration over all ranks.
        rank, size: whose leaves; every rank owns at least one.
    """

    total: int
    rank: int = 0
    size: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.size <= self.total:
            raise ValueError(f"{self.total} leaves do not go round {self.size} ranks")

    @property
    def exact(self) -> bool:
        """Whether the sum has the bits that it has on one rank."""
        return (self.total & -self.total) % self.size == 0

    @property
    def groups(self) -> int:
        """Groups of all ranks: the greatest power of two that divides the leaves.

        Where ranks do not divide that, each leaf is a group of its own.
        """
        return self.total & -self.total if self.exact else self.total

    @property
    def group_size(self) -> int:
        """Leaves a group."""
        return self.total // self.groups

    @property
    def owned(self) -> range:
        """This rank's leaves, one after the other."""
        first, end = (r * self.total // self.size for r in (self.rank, self.rank + 1))
        return range(first, end)

    def opens_group(self, leaf: int) -> bool:
        """Whether a leaf is the first of its group."""
        return leaf % self.group_size == 0

    def closes_group(self, leaf: int) -> bool:
        """Whether a leaf is the last of its group."""
        return (leaf + 1) % self.group_size == 0


def _copy(x: Array, y: Array) -> None:
    y[...] = x


class TreeSum:
    """Adds up the groups of one rank, handed over one by one in the same array.

    It keeps one array for each level of the tree: like a binary counter, a level
    holds the sum of a complete left subtree until its right sibling is complete.  The
    first level needs none where its owner adds right groups to left ones: *pairs*.

    Args:
        bucket: the array that holds each group's sum when :meth:`add` is called, and
            the total after :meth:`complete`, which the last group takes instead.
        plus: called as ``plus(a, b, y)`` for y = a + b; y is a.
        copy: called as ``copy(x, y)`` for y = x.
        pairs: whether a group that :attr:`is_right` has been added to what the bucket
            held when :meth:`add` is called.
    """

    def __init__(
        self,
        bucket: Array,
        plus: Callable[..., Any] = np.add,
        copy: Callable[..., Any] = _copy,
        pairs: bool = False,
    ) -> None:
        self._bucket, self._plus, self._copy = bucket, plus, copy
        self._first = 1 if pairs else 0
        self._levels: dict[int, Array] = {}
        self._added = 0

    @property
    def is_right(self) -> bool:
        """Whether the next group is to be added to what the bucket holds."""
        return self._first > 0 and self._added % 2 == 1

    def reset(self) -> None:
        """Begin another sum."""
        self._added = 0

    def add(self) -> None:
        """Take in a group, the sum of which the bucket holds now; more will follow."""
        level = 0
        while self._added >> level & 1:
            if level >= self._first:
                self._plus(self._bucket, self._levels[level], self._bucket)
            level += 1
        self._added += 1
        if level >= self._first:
            self._keep(level)

    def _keep(self, level: int) -> None:
        if level in self._levels:
            self._copy(self._bucket, self._levels[level])
        else:
            self._levels[level] = self._bucket.copy()

    def complete(self, part: slice = slice(None)) -> None:
        """Add all groups before to the last one, which the bucket holds now.

        Args:
            part: of the bucket; one may be complete while others are not.
        """
        for level, values in sorted(self._levels.items()):
            if self._added >> level & 1:
                own = self._bucket[part]
                self._plus(own, values[part], own)
