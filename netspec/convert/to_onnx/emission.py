"""What an emitter is handed: one layer, the names of its values, ways to add more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from netspec.convert.freedom import BATCH, SIZE, Freedom
from netspec.convert.refusal import NeedsFixedError
from netspec.convert.to_onnx.builder import Builder
from netspec.graph import Node
from netspec.registry import Registry
from netspec.shapes import Shape

Array = Any
Emitter = Callable[["Emission"], None]

EMITTERS: Registry[Emitter] = Registry("layer type for ONNX")
emits = EMITTERS


@dataclass
class Emission:
    """One layer on its way into an ONNX graph.

    Attributes:
        bottoms, tops: names of the values it reads and has to make.
        params: its arrays.
        keys: for each parameter the name of its owner's, which sharers have in common.
        freedom: which extents are known only when the model runs.
    """

    node: Node
    builder: Builder
    bottoms: list[str]
    tops: list[str]
    params: list[Array]
    keys: list[str]
    freedom: Freedom

    @property
    def layer(self) -> Any:
        """The layer, with its settings read."""
        return self.node.layer

    @property
    def message(self) -> Any:
        """The layer's message."""
        return self.node.layer.proto

    @property
    def shape(self) -> Shape:
        """Of the first bottom, as the file has it."""
        return self.node.bottom_shapes[0]

    @property
    def top_shape(self) -> Shape:
        """Of the first top."""
        return self.node.top_shapes[0]

    def varies(self, blob: str) -> tuple[bool, ...]:
        """Which axes of a blob follow the input."""
        return self.freedom.varies[blob]

    def op(
        self, op: str, inputs: Sequence[str], top: str | None = None, **attrs: Any
    ) -> str:
        """Add an operator with one output: a top, or a value of its own."""
        out = top or self.builder.reserve(f"{self.node.name}/{op}")
        self.several(op, inputs, [out], **attrs)
        return out

    def several(
        self, op: str, inputs: Sequence[str], outputs: Sequence[str], **attrs: Any
    ) -> None:
        """Add an operator; one that makes a top has the layer's name."""
        plain = any(out in self.tops for out in outputs)
        name = self.node.name if plain else f"{self.node.name}/{op}"
        own = self.builder.reserve(f"node:{name}").removeprefix("node:")
        self.builder.node(op, own, inputs, outputs, **attrs)

    def out(self, op: str, inputs: Sequence[str], **attrs: Any) -> None:
        """Add the operator that makes the layer's first top."""
        self.op(op, inputs, self.tops[0], **attrs)

    def weight(self, index: int, word: str, array: Array | None = None) -> str:
        """Parameter *index*, as it is or as *array* has it; sharers share it."""
        name = f"{self.keys[index].rsplit('/', 1)[0]}.{word}"
        return self.builder.weight(name, self.params[index] if array is None else array)

    def ints(self, *values: int) -> str:
        """A constant vector of integers."""
        return self.builder.constant(list(values), "int64")

    def number(self, value: float) -> str:
        """A constant float32 scalar."""
        return self.builder.constant(value, "float32")

    def fix(self, blob: str, axes: Sequence[int], reason: str) -> None:
        """Refuse freedom along some axes of a blob.

        Raises:
            NeedsFixedError: one of them follows the input.
        """
        varies = self.varies(blob)
        moving = [axis for axis in axes if varies[axis]]
        if moving:
            only_batch = moving == [0] and BATCH in self.freedom.free
            raise NeedsFixedError(BATCH if only_batch else self.loosest(), reason)

    def loosest(self) -> str:
        """What to fix first: the size of images, then the batch."""
        return SIZE if SIZE in self.freedom.free else BATCH
