"""A model as the lines of an nn.Module."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
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
from netspec.convert.to_torch import (
    arithmetic,
    functions,
    normalising,
    relatives,
    shaping,
    sums,
    windows,
)
from netspec.convert.to_torch.emission import EMITTERS, Emission
from netspec.convert.to_torch.writer import Writer
from netspec.graph import Node

FAMILIES = (
    arithmetic,
    functions,
    normalising,
    relatives,
    shaping,
    sums,
    windows,
)
Array = Any


@dataclass(frozen=True)
class Source:
    """A module without its frame.

    Attributes:
        init, forward: lines of the two methods.
        state: arrays of its state dict, by key.
        inputs, outputs: variables, by blob.
        blobs: the variable that each blob became.
    """

    model: Model
    init: tuple[str, ...]
    forward: tuple[str, ...]
    state: dict[str, Array]
    inputs: dict[str, str]
    outputs: dict[str, str]
    blobs: dict[str, str]
    freedom: Freedom


def export(model: Model, wanted: frozenset[str]) -> Source:
    """The module of a model, with as much left open of *wanted* as is exact.

    Raises:
        SpecError: layers that PyTorch cannot express, all of them.
    """
    freedom = find_freedom(model, wanted)
    while True:
        walk = _Export(model, freedom)
        try:
            return walk.run()
        except NeedsFixedError as cause:
            reason = f"layer {walk.at!r}: {cause.reason}."
            freedom = freedom.without(cause.what, reason, model)


class _Export:
    """One walk over the layers."""

    def __init__(self, model: Model, freedom: Freedom) -> None:
        self.model, self.freedom = model, freedom
        self.writer = Writer()
        self.blobs: dict[str, str] = {}
        self.owners: dict[tuple[int, ...], str] = {}
        self.refusals: list[Refusal] = []
        self.merged = merged_scales(model)
        self.gone: set[str] = set()
        self.at = ""

    def run(self) -> Source:
        for node in self.model.graph.nodes:
            self.at = node.name
            if node.type == "Input":
                self.blobs.update({t: self.writer.variables.of(t) for t in node.tops})
            elif node.type == "Split":
                self.blobs.update(dict.fromkeys(node.tops, self.blobs[node.bottoms[0]]))
            else:
                self._try(node)
        if self.refusals:
            raise refuse("PyTorch", self.refusals)
        graph, copies = self.model.graph, self.model.copies | self.gone
        return Source(
            self.model,
            tuple(self.writer.init),
            tuple(self.writer.forward),
            self.writer.state,
            {name: self.blobs[name] for name in graph.inputs},
            {name: self.blobs[name] for name in graph.outputs},
            {n: self.blobs[n] for n in graph.blobs if n not in copies},
            self.freedom,
        )

    def _try(self, node: Node) -> None:
        try:
            self._emit(node)
        except UnsupportedError as cause:
            self.refusals.append(Refusal(node, cause))
            self._tops(node)

    def _tops(self, node: Node) -> list[str]:
        tops = [self.writer.variables.of(top) for top in node.tops]
        self.blobs.update(zip(node.tops, tops))
        return tops

    def _emit(self, node: Node) -> None:
        if node.name in self.merged.values():
            self._pass_on(node)
            return
        if node.type not in EMITTERS:
            raise unknown_layer(node.type, "PyTorch")
        before = [self.blobs[name] for name in node.bottoms]
        emission = Emission(
            node,
            self.writer,
            before,
            self._tops(node),
            self.model.arrays(node),
            self.freedom,
            self._owner(node),
            self._scale_of(node),
        )
        EMITTERS[node.type](emission)
        if node.params and node.params not in self.owners:
            self.owners[node.params] = f"self.{self.writer.attributes.of(node.name)}"

    def _owner(self, node: Node) -> str:
        """The module whose parameters this layer shares, or "".

        Raises:
            UnsupportedError: it shares some of them only, or under another shape.
        """
        if not node.params:
            return ""
        if node.params in self.owners:
            own = [self.model.graph.params[p].shape for p in node.params]
            if own == list(node.param_shapes) and node.type != "Scale":
                return self.owners[node.params]
        elif not any(set(node.params) & set(known) for known in self.owners):
            return ""
        raise UnsupportedError(
            "it shares parameters with a layer that is not the same module.",
            "Give it parameters of its own.",
        )

    def _scale_of(self, node: Node) -> list[Array] | None:
        if node.name not in self.merged:
            return None
        return self.model.arrays(self.model.graph.node(self.merged[node.name]))

    def _pass_on(self, node: Node) -> None:
        """A Scale that its BatchNorm has taken up: the value goes on as it is."""
        if node.bottoms[0] != node.tops[0]:
            self.gone.add(node.bottoms[0])
        self.blobs[node.tops[0]] = self.blobs[node.bottoms[0]]


def merged_scales(model: Model) -> dict[str, str]:
    """For each BatchNorm the Scale over its channels that alone reads it, if any."""
    nodes, found = model.graph.nodes, {}
    for node, after in pairwise(nodes):
        if node.type != "BatchNorm" or after.type != "Scale":
            continue
        message = after.layer.proto.scale_param
        plain = len(after.bottoms) == 1 and (message.axis, message.num_axes) == (1, 1)
        alone = [n for n in nodes if set(n.params) & set(after.params)] == [after]
        if after.bottoms == node.tops and plain and alone and node.layer.uses_stored:  # type: ignore[attr-defined]
            found[node.name] = after.name
    return found
