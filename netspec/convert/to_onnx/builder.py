"""An ONNX graph in the making: nodes, constants and weights, every name once.

Weights are noted, not copied: they are streamed when the file is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netspec.convert.extras import load_onnx

Array = Any

OPSET = 22
"""The version of the operators: the newest whose every operator used here is in ONNX
Runtime 1.20 and in OpenCV 5."""

IR_VERSION = 10


@dataclass(frozen=True)
class Weight:
    """One initializer; the array may be a view of a mapped file."""

    name: str
    array: Array


class Builder:
    """Collects what a graph consists of."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: dict[str, Weight] = {}
        self._names: set[str] = set()
        self._constants: dict[tuple[str, Any, bytes], str] = {}

    def reserve(self, name: str) -> str:
        """*name*, or it with a number where it is taken already."""
        found, count = name, 1
        while found in self._names:
            count += 1
            found = f"{name}_{count}"
        self._names.add(found)
        return found

    def node(
        self,
        op: str,
        name: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        **attrs: Any,
    ) -> None:
        """Add one operator; attributes that are None are left out."""
        given = {k: v for k, v in attrs.items() if v is not None}
        helper = load_onnx().helper
        self.nodes.append(helper.make_node(op, inputs, outputs, name=name, **given))

    def weight(self, name: str, array: Array) -> str:
        """An initializer; one of the same name and shape is the same weight."""
        known = self.weights.get(name)
        if known and known.array.shape == array.shape:
            return name
        name = self.reserve(name)
        self.weights[name] = Weight(name, array)
        return name

    def constant(self, values: Any, dtype: str = "int64") -> str:
        """A small initializer; equal ones are shared."""
        array = np.array(values, dtype)
        key = (dtype, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self._constants[key] = self.weight(name, array)
        return self._constants[key]
