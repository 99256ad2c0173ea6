"""What an emitter is handed: one layer, its variables, and where to write lines.

Keras holds images as N x H x W x C: blobs of four axes are turned, all others are as
Caffe has them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from netspec.convert.refusal import UnsupportedError
from netspec.convert.to_torch.names import Names
from netspec.graph import Node
from netspec.registry import Registry
from netspec.shapes import Shape, canonical_axis

Array = Any

EMITTERS: Registry[Callable[[Emission], None]] = Registry("layer type for Keras")
emits = EMITTERS

_TURNED = (0, 3, 1, 2)  # where each of Caffe's axes is in Keras


@dataclass
class Lines:
    """The body of the function that builds the model, and its weights by layer."""

    body: list[str] = field(default_factory=list)
    weights: dict[str, list[Array]] = field(default_factory=dict)
    layers: Names = field(default_factory=Names)
    variables: Names = field(default_factory=Names)


@dataclass
class Emission:
    """One layer on its way into a Keras model.

    Attributes:
        scale: the arrays of a Scale that is merged into this BatchNorm.
    """

    node: Node
    lines: Lines
    bottoms: list[str]
    tops: list[str]
    params: list[Array]
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
        """Of the first bottom, as Caffe has it."""
        return self.node.bottom_shapes[0]

    @property
    def is_image(self) -> bool:
        """Whether the first bottom is turned."""
        return len(self.shape) == 4

    def axis(self, given: int) -> int:
        """Keras' number of one of Caffe's axes."""
        axis = canonical_axis(given, len(self.shape))
        return _TURNED[axis] if self.is_image else axis

    def out(self, expression: str) -> None:
        """Assign the first top."""
        self.lines.body.append(f"{self.tops[0]} = {expression}")

    def add(self, kind: str, settings: str, weights: list[Array], x: str = "") -> None:
        """A layer of Keras from *x*, or the first bottom, to the first top."""
        name = self.lines.layers.of(self.node.name)
        if weights:
            self.lines.weights[name] = weights
        said = ", ".join(part for part in (settings, f'name="{name}"') if part)
        self.out(f"layers.{kind}({said})({x or self.x})")

    def refuse(self, reason: str) -> UnsupportedError:
        """An error about this layer."""
        return UnsupportedError(f"{reason}.", "Export to ONNX or PyTorch instead.")
