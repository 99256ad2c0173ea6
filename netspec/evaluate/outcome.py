"""What a protocol found, with the conditions under which it was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec.data.preprocess import class_hash
from netspec.evaluate.posterior import Doubles
from netspec.evaluate.protocols import Protocol

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Conditions:
    """Everything without which an error rate means nothing.

    Attributes:
        models: names of the nets; several are an ensemble.
        train_scale: S, least and greatest; None: not recorded.
        test_scale: Q, or the resize rule where no scales were given.
        images: how many were counted.
        classes: names in order; None: not recorded.
    """

    protocol: Protocol
    models: tuple[str, ...]
    train_scale: tuple[int, int] | None
    test_scale: str
    images: int
    class_count: int
    classes: tuple[str, ...] | None

    @property
    def class_order(self) -> str:
        """Hash of the class names in order."""
        return class_hash(self.classes) if self.classes else "not recorded"

    @property
    def trained_at(self) -> str:
        """S as tables print it: ``256``, ``256-512`` or ``not recorded``."""
        if self.train_scale is None:
            return "not recorded"
        return "-".join(map(str, dict.fromkeys(self.train_scale)))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, in the order in which tables print them."""
        return {
            "net": " + ".join(self.models),
            "protocol": self.protocol.name,
            "S": self.trained_at,
            "Q": self.test_scale,
            "crops": self.protocol.crops,
            "mirrors": self.protocol.mirrors,
            "map average": self.protocol.average,
            "images": self.images,
            "classes": self.class_count,
            "class order": self.class_order,
        }

    def __str__(self) -> str:
        """On one line."""
        return ", ".join(f"{key} {value}" for key, value in self.as_dict().items())


@dataclass(frozen=True)
class Outcome:
    """Posteriors of the pictures that could be read.

    Attributes:
        numbers: of the pictures in their set, from 0, rising.
        labels: of those; None where the set has none.
        posteriors: (pictures, classes).
        skipped: what was wrong with each picture left out.
        notes: what a reader of the numbers should know.
        macs: multiply-accumulates done.
    """

    conditions: Conditions
    numbers: Integers
    names: tuple[str, ...]
    labels: Integers | None
    posteriors: Doubles
    skipped: tuple[str, ...]
    notes: tuple[str, ...]
    macs: int
    seconds: float

    def class_name(self, index: int) -> str:
        """The name of a class; its number where names are not known."""
        names = self.conditions.classes
        return names[index] if names else str(index)
