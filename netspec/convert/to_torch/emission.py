"""What an emitter is handed: one layer, its variables, and where to write lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from netspec.convert.freedom import BATCH, SIZE, Freedom
from netspec.convert.refusal import NeedsFixedError
from netspec.convert.to_torch.writer import Writer
from netspec.graph import Node
from netspec.registry import Registry
from netspec.shapes import Shape

Array = Any

EMITTERS: Registry[Callable[[Emission], None]] = Registry("layer type for PyTorch")
emits = EMITTERS


@dataclass
class Emission:
    """One layer on its way into a module.

    Attributes:
        bottoms, tops: variables it reads and has to assign.
        params: its arrays.
        shared: for a layer whose parameters an earlier one owns, that one's module.
        scale: the arrays of a Scale that is merged into this BatchNorm.
    """

    node: Node
    writer: Writer
    bottoms: list[str]
    tops: list[str]
    params: list[Array]
    freedom: Freedom
    shared: str = ""
    scale: list[Array] | None = None

    @property
    def layer(self) -> Any:
        """The layer, with its settings read."""
        return self.node.layer

    @property
    def message(self) -> Any:
        """The layer's message."""
        return self.node.layer.proto

    @property
    def x(self) -> str:
        """The first bottom's variable."""
        return self.bottoms[0]

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

    def out(self, expression: str, reads: Sequence[str] | None = None) -> None:
        """Assign the first top."""
        self.writer.assign(self.tops[0], expression, reads or self.bottoms)

    def module(self, expression: str, state: dict[str, Array] | None = None) -> str:
        """A module named after the layer, or the one whose weights it shares."""
        if self.shared:
            return self.shared
        return self.writer.module(self.node.name, expression, state or {})

    def fix(self, blob: str, axes: Sequence[int], reason: str) -> None:
        """Refuse freedom along some axes of a blob.

        Raises:
            NeedsFixedError: one of them follows the input.
        """
        moving = [axis for axis in axes if self.varies(blob)[axis]]
        if moving:
            only_batch = moving == [0] and BATCH in self.freedom.free
            raise NeedsFixedError(BATCH if only_batch else self.loosest(), reason)

    def loosest(self) -> str:
        """What to fix first: the size of images, then the batch."""
        return SIZE if SIZE in self.freedom.free else BATCH
