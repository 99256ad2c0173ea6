"""What is handed to the importer of one operator, and the table of importers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from netspec.convert.from_onnx.building import NetBuilder
from netspec.convert.from_onnx.reading import OnnxNode
from netspec.convert.refusal import UnsupportedError
from netspec.registry import Registry
from netspec.shapes import Shape

Array = Any
IMPORTERS: Registry[Callable[[Step], None]] = Registry("ONNX operator")
imports = IMPORTERS

_REMEDY = "End the model before it, or export it without that option."


@dataclass
class Step:
    """One operator on its way into a net.

    Attributes:
        opset: version of the operators.
        pads: zeros that a Pad operator has put around a value, by blob: (begins, ends).
    """

    node: OnnxNode
    net: NetBuilder
    opset: int
    pads: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes."""
        return self.node.attrs

    @property
    def x(self) -> str:
        """The first input."""
        return self.node.inputs[0]

    @property
    def y(self) -> str:
        """The first output."""
        return self.node.outputs[0]

    @property
    def shape(self) -> Shape:
        """Of the first input."""
        return self.net.shape(self.x)

    @property
    def rank(self) -> int:
        """Axes of the first input."""
        return len(self.shape)

    @property
    def name(self) -> str:
        """What the layer is to be called: its weights' name, or the operator's."""
        for value in self.node.inputs[1:]:
            if value.endswith(".weight") and self.net.is_constant(value):
                return value.removesuffix(".weight")
        scope, _, last = self.node.name.strip("/").rpartition("/")
        generic = last.rsplit("_", 1)[0] == self.node.op or last == self.node.op
        scoped = scope and generic and self.node.name.startswith("/")
        return scope if scoped else self.node.name.strip("/") or self.y

    def input(self, index: int) -> str:
        """Input *index*, "" where it is left out."""
        return self.node.inputs[index] if index < len(self.node.inputs) else ""

    def known(self, index: int) -> Any:
        """The array of input *index*, None where it is left out.

        Raises:
            UnsupportedError: it is computed.
        """
        name = self.input(index)
        if not name:
            return None
        if not self.net.is_constant(name):
            raise self.refusal(f"its input {index} is computed, not a constant")
        return self.net.constant(name)

    def axis(self, default: int) -> int:
        """The attribute ``axis``, from the front."""
        return int(self.attrs.get("axis", default)) % max(1, self.rank)

    def refusal(self, reason: str) -> UnsupportedError:
        """An error about this operator."""
        return UnsupportedError(f"{reason}.", _REMEDY)

    def same(self, index: int = 0) -> None:
        """The output is the input."""
        self.net.alias[self.y] = self.node.inputs[index]

    def add(self, kind: str, **settings: Any) -> None:
        """Add a layer from the first input to the first output."""
        self.net.add(kind, self.name, [self.x], [self.y], **settings)
