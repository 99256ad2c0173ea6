"""A model as an ONNX graph: values named after blobs, nodes after layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from netspec.convert.freedom import Freedom, find_freedom
from netspec.convert.model import Model
from netspec.convert.refusal import (
    NeedsFixedError,
    Refusal,
    UnsupportedError,
    refuse,
    unknown_layer,
)
from netspec.convert.to_onnx import (
    dense,
    elementwise,
    normalising,
    relatives,
    shaping,
    windows,
)
from netspec.convert.to_onnx.builder import Builder, Weight
from netspec.convert.to_onnx.emission import EMITTERS, Emission
from netspec.graph import Node

FAMILIES = (dense, elementwise, normalising, relatives, shaping, windows)

# Layers whose top is their bottom: they are left out, and the name goes on.
TRANSPARENT = ("Split", "Dropout")


@dataclass(frozen=True)
class Exported:
    """An ONNX graph without its frame.

    Attributes:
        nodes: NodeProtos in order.
        weights: initializers, in order of use.
        inputs, outputs: blob names.
        values: the ONNX value that each blob of the net became, by blob.
        freedom: what may be chosen at run time.
    """

    model: Model
    nodes: tuple[Any, ...]
    weights: tuple[Weight, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    values: dict[str, str]
    freedom: Freedom


def export(model: Model, wanted: frozenset[str]) -> Exported:
    """The graph of a model, with as much left open of *wanted* as is exact.

    Raises:
        SpecError: layers that ONNX cannot express, all of them.
    """
    freedom = find_freedom(model, wanted)
    while True:
        try:
            return _Export(model, freedom).run()
        except _FixError as fix:
            reason = f"layer {fix.node.name!r}: {fix.cause.reason}."
            freedom = freedom.without(fix.cause.what, reason, model)


class _FixError(Exception):
    """A layer needs a batch or size that is known."""

    def __init__(self, node: Node, cause: NeedsFixedError) -> None:
        super().__init__(cause.reason)
        self.node, self.cause = node, cause


class _Export:
    """One walk over the layers."""

    def __init__(self, model: Model, freedom: Freedom) -> None:
        self.model, self.freedom = model, freedom
        self.builder = Builder()
        self.values: dict[str, str] = {}
        self.refusals: list[Refusal] = []
        self.left = Counter(
            top
            for node in model.graph.nodes
            if not _transparent(node)
            for top in node.tops
        )
        for name in self.left:
            self.builder.reserve(name)

    def run(self) -> Exported:
        for node in self.model.graph.nodes:
            if node.type == "Input":
                self._name_inputs(node)
            elif _transparent(node):
                for top in node.tops:
                    self.values[top] = self.values[node.bottoms[0]]
            else:
                self._emit(node)
        if self.refusals:
            raise refuse("ONNX", self.refusals)
        outputs = tuple(map(self._output, self._outputs()))
        return Exported(
            self.model,
            tuple(self.builder.nodes),
            tuple(self.builder.weights.values()),
            self.model.graph.inputs,
            outputs,
            dict(self._blobs()),
            self.freedom,
        )

    def _name_inputs(self, node: Node) -> None:
        """An input that a layer overwrites in place keeps its name: callers use it."""
        for top in node.tops:
            self.values[top] = top
            self.left[top] = -1

    def _emit(self, node: Node) -> None:
        tops = [self._fresh(node, top) for top in node.tops]
        emission = Emission(
            node,
            self.builder,
            [self.values[name] for name in node.bottoms],
            tops,
            self.model.arrays(node),
            [self.model.graph.params[p].key for p in node.params],
            self.freedom,
        )
        try:
            _emitter(node)(emission)
        except UnsupportedError as cause:
            self.refusals.append(Refusal(node, cause))
        except NeedsFixedError as cause:
            raise _FixError(node, cause) from None
        self.values.update(zip(node.tops, tops))

    def _fresh(self, node: Node, top: str) -> str:
        """The last version of a blob has its name, those before one of their own."""
        if self.left[top] < 0:
            return self.builder.reserve(f"{top}_{node.name}")
        self.left[top] -= 1
        return self.builder.reserve(f"{top}_{node.name}") if self.left[top] else top

    def _outputs(self) -> Iterator[str]:
        """The net's outputs, those that are the same value once."""
        return iter(self.model.graph.outputs)

    def _output(self, name: str) -> str:
        """An output must be called as its blob is, even where a layer fell away."""
        value = self.values[name]
        if value != name:
            free = self.builder.reserve(name) == name
            out = name if free or self.left[name] >= 0 else f"{name}_out"
            self.builder.node("Identity", f"{out}/Identity", [value], [out])
            self.values[name] = out
            return out
        if name in self.model.graph.inputs:
            out = self.builder.reserve(f"{name}_out")
            self.builder.node("Identity", f"{out}/Identity", [value], [out])
            self.values[name] = out
            return out
        return name

    def _blobs(self) -> Iterator[tuple[str, str]]:
        for name in self.model.graph.blobs:
            if name not in self.model.copies:
                yield name, self.values[name]


def _transparent(node: Node) -> bool:
    return node.type in TRANSPARENT


def _emitter(node: Node):  # type: ignore[no-untyped-def]
    if node.type not in EMITTERS:
        raise unknown_layer(node.type, "ONNX")
    return EMITTERS[node.type]
