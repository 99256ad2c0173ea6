"""Layers in the making: messages, blobs of known shapes, and weights by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.layers import LAYERS
from netspec.proto import TEST, LayerParameter, NetParameter
from netspec.shapes import Shape

Array = Any


class NetBuilder:
    """Adds layers one by one and infers the shapes of what they make.

    Attributes:
        shapes: of every value that has become a blob.
        constants: values that are known; small ones are computed with.
        weights: arrays by layer name.
        alias: values that only are another one.
        computed: constants that follow from the extents of blobs.
        padded: blobs with zeros around another one, which it stands for.
    """

    def __init__(self, name: str, constants: dict[str, Array]) -> None:
        self.net = NetParameter(name=name)
        self.constants = constants
        self.shapes: dict[str, Shape] = {}
        self.weights: dict[str, list[Array]] = {}
        self.alias: dict[str, str] = {}
        self.padded: dict[str, str] = {}
        self.computed: set[str] = set()
        self._names: set[str] = set()
        self._sharing: dict[str, str] = {}

    def value(self, name: str) -> str:
        """The blob that a value is, names that stand for another one resolved."""
        while name in self.alias:
            name = self.alias[name]
        return name

    def _blob(self, name: str) -> str:
        """The blob that a layer reads; padding around it is the layer's own."""
        value = self.value(name)
        return self.padded.get(value, value)

    def shape(self, name: str) -> Shape:
        """Shape of a value that is a blob."""
        return self.shapes[self.value(name)]

    def is_constant(self, name: str) -> bool:
        """Whether a value is known."""
        return self.value(name) in self.constants

    def constant(self, name: str) -> Array:
        """The array of a value that is known."""
        return self.constants[self.value(name)]

    def unique(self, name: str) -> str:
        """*name*, or it with a number where a layer has it already."""
        found, count = name, 1
        while found in self._names:
            count += 1
            found = f"{name}_{count}"
        self._names.add(found)
        return found

    def input(self, name: str, shape: Shape) -> None:
        """Add an Input layer."""
        layer = self.net.layer.add(name=self.unique(name), type="Input", top=[name])
        layer.input_param.shape.add(dim=shape)
        self.shapes[name] = shape

    def add(
        self,
        kind: str,
        name: str,
        bottoms: Sequence[str],
        tops: Sequence[str],
        weights: Sequence[Array] = (),
        sources: Sequence[str] = (),
        **settings: Any,
    ) -> LayerParameter:
        """Add a layer.

        Args:
            sources: names of the initializers behind the weights: what several layers
                use becomes one shared parameter.
            settings: of its message, as ``convolution_param=dict(...)``.

        Raises:
            SpecError: the layer cannot take these bottoms.
        """
        layer = LayerParameter(name=self.unique(name), type=kind)
        layer.bottom.extend(self._blob(b) for b in bottoms)
        layer.top.extend(tops)
        for param, values in settings.items():
            _fill(getattr(layer, param), values)
        made = LAYERS[kind](layer, TEST)
        shapes = made.infer_shapes(tuple(self.shape(b) for b in bottoms))
        self.shapes.update(zip(tops, shapes))
        if weights:
            self.weights[layer.name] = [_plain(w) for w in weights]
            self._share(layer, sources)
        self.net.layer.append(layer)
        return layer

    def _share(self, layer: LayerParameter, sources: Sequence[str]) -> None:
        """Name the parameters that another layer uses too."""
        for i, source in enumerate(sources):
            first = self._sharing.setdefault(source, f"{layer.name}/{i}")
            if first == f"{layer.name}/{i}":
                continue
            owner, index = first.rsplit("/", 1)
            known = next(x for x in self.net.layer if x.name == owner)
            for which, at in ((known, int(index)), (layer, i)):
                while len(which.param) <= at:
                    which.param.add()
                which.param[at].name = source


def _plain(array: Array) -> Array:
    return np.ascontiguousarray(array, np.float32)


def _fill(message: Any, values: dict[str, Any]) -> None:
    message.SetInParent()
    for name, value in values.items():
        if value is None:
            continue
        if name == "shape":
            message.shape.dim.extend(value)
        elif isinstance(value, (list, tuple)):
            getattr(message, name).extend(value)
        else:
            setattr(message, name, value)
