"""A model as the lines of a function that builds it in Keras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netspec.convert.model import Model
from netspec.convert.refusal import Refusal, UnsupportedError, refuse, unknown_layer
from netspec.convert.to_keras import layers
from netspec.convert.to_keras.emission import EMITTERS, Emission, Lines
from netspec.convert.to_torch.export import merged_scales
from netspec.graph import Node

FAMILIES = (layers,)
Array = Any


@dataclass(frozen=True)
class Source:
    """A model without its frame.

    Attributes:
        inputs, outputs: variables, by blob.
        blobs: the variable that each blob became.
    """

    model: Model
    lines: Lines
    inputs: dict[str, str]
    outputs: dict[str, str]
    blobs: dict[str, str]


def export(model: Model) -> Source:
    """The lines of a model; the size of its images is the file's.

    Raises:
        SpecError: layers that are not written for Keras, all of them.
    """
    return _Export(model).run()


class _Export:
    """One walk over the layers."""

    def __init__(self, model: Model) -> None:
        self.model, self.lines = model, Lines()
        self.blobs: dict[str, str] = {}
        self.refusals: list[Refusal] = []
        self.merged = merged_scales(model)
        self.gone: set[str] = set()

    def run(self) -> Source:
        for node in self.model.graph.nodes:
            try:
                self._add(node)
            except UnsupportedError as cause:
                self.refusals.append(Refusal(node, cause))
                self._tops(node)
        if self.refusals:
            raise refuse("the Keras export", self.refusals)
        graph, gone = self.model.graph, self.model.copies | self.gone
        return Source(
            self.model,
            self.lines,
            {name: self.blobs[name] for name in graph.inputs},
            {name: self.blobs[name] for name in graph.outputs},
            {n: self.blobs[n] for n in graph.blobs if n not in gone},
        )

    def _tops(self, node: Node) -> list[str]:
        tops = [self.lines.variables.of(top) for top in node.tops]
        self.blobs.update(zip(node.tops, tops))
        return tops

    def _add(self, node: Node) -> None:
        if node.type == "Input":
            self._input(node)
        elif node.type == "Split":
            self.blobs.update(dict.fromkeys(node.tops, self.blobs[node.bottoms[0]]))
        elif node.name in self.merged.values():
            self.gone.update(set(node.bottoms) - set(node.tops))
            self.blobs[node.tops[0]] = self.blobs[node.bottoms[0]]
        else:
            self._emit(node)

    def _input(self, node: Node) -> None:
        for top, shape in zip(self._tops(node), node.top_shapes):
            said = f"shape={layers.keras_shape(shape)}"
            self.lines.body.append(f'{top} = keras.Input({said}, name="{top}")')

    def _emit(self, node: Node) -> None:
        if node.type not in EMITTERS:
            raise unknown_layer(node.type, "Keras")
        shared = [n for n in self.model.graph.nodes if set(n.params) & set(node.params)]
        if len(shared) > 1:
            raise UnsupportedError(
                "it shares parameters with another layer.",
                "Export to ONNX or PyTorch instead.",
            )
        before, scale = [self.blobs[name] for name in node.bottoms], None
        if node.name in self.merged:
            follower = self.model.graph.node(self.merged[node.name])
            scale = self.model.arrays(follower)
        arrays = self.model.arrays(node)
        emission = Emission(node, self.lines, before, self._tops(node), arrays, scale)
        EMITTERS[node.type](emission)
