"""From the net that classifies one crop to the net that classifies every place.

A fully connected layer over C x H x W values is a convolution with an H x W kernel
that fits once (VGG paper, section 3.2); on a larger image it fits more often, and the
net gives a map of class scores.  The weights are the same numbers in another shape.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from netspec.convert.model import Model
from netspec.convert.refusal import Refusal, Unsupported, refuse
from netspec.graph import Node, build_graph
from netspec.proto import TEST, LayerParameter, NetParameter
from netspec.shapes import Shape, canonical_axis
from netspec.spec import Located

Array = Any

# Layers that treat every place alike, whether it has axes for places or not.
_PLACE_BY_PLACE = frozenset({
    "AbsVal", "BNLL", "BatchNorm", "Bias", "Clip", "Concat", "Dropout", "ELU",
    "Eltwise", "Exp", "Log", "PReLU", "Power", "ReLU", "ReLU6", "Scale", "Sigmoid",
    "Silence", "Slice", "Softmax", "Split", "Swish", "TanH", "Threshold",
})  # fmt: skip
_WITH_AXIS = {
    "Bias": "bias_param",
    "Concat": "concat_param",
    "Scale": "scale_param",
    "Slice": "slice_param",
    "Softmax": "softmax_param",
}


@dataclass
class _Work:
    """One conversion; *flat* are the blobs that had no axes for places before."""

    model: Model
    flat: dict[str, Shape] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    turned: dict[str, Shape] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)

    def run(self) -> NetParameter:
        message = NetParameter(name=self.model.net.message.name)
        nodes = {node.name: node for node in self.model.graph.nodes}
        for layer in self.model.net.message.layer:
            new = self._layer(layer, nodes[layer.name])
            if new is not None:
                message.layer.append(new)
        if self.refusals:
            raise refuse("a fully convolutional net", self.refusals)
        return message

    def _layer(self, layer: LayerParameter, node: Node) -> LayerParameter | None:
        new = LayerParameter()
        new.CopyFrom(layer)
        new.bottom[:] = [self.renamed.get(b, b) for b in layer.bottom]
        places = [self._places(layer.bottom[i], s) for i, s in enumerate(node.bottom_shapes)]
        if layer.type == "InnerProduct":
            return self._dense(new, node, places[0])
        if layer.type == "Flatten" and len(node.bottom_shapes[0]) == 4:
            return self._flatten(new, layer, node)
        if any(b in self.flat for b in layer.bottom):
            self._check(layer, node)
            self.flat.update({top: (1, 1) for top in layer.top})
        return new

    def _places(self, bottom: str, shape: Shape) -> Shape:
        """H and W that the values of a bottom come from."""
        return self.flat.get(bottom, tuple(shape[2:]))

    def _dense(self, new: LayerParameter, node: Node, places: Shape) -> LayerParameter:
        param = new.inner_product_param
        shape = node.bottom_shapes[0]
        if canonical_axis(param.axis, len(shape)) != 1 or len(places) not in (0, 2):
            self._refuse(node, "it does not sum over channels, height and width")
            return new
        kernel = places or (1, 1)
        convolution = new.convolution_param
        convolution.num_output = param.num_output
        if not param.bias_term:
            convolution.bias_term = False
        if kernel[0] == kernel[1]:
            convolution.kernel_size.append(kernel[0])
        else:
            convolution.kernel_h, convolution.kernel_w = kernel
        new.ClearField("inner_product_param")
        new.type = "Convolution"
        self.turned[new.name] = kernel
        self.flat.update({top: (1, 1) for top in new.top})
        return new

    def _flatten(
        self, new: LayerParameter, layer: LayerParameter, node: Node
    ) -> LayerParameter | None:
        if node.top_shapes[0][1:] != (int(np.prod(node.bottom_shapes[0][1:])),):
            return new
        self.renamed[layer.top[0]] = new.bottom[0]
        self.flat[layer.top[0]] = tuple(node.bottom_shapes[0][2:])
        self.dropped.append(layer.name)
        return None

    def _check(self, layer: LayerParameter, node: Node) -> None:
        param = _WITH_AXIS.get(layer.type)
        axis = getattr(layer, param).axis if param else 1
        if layer.type not in _PLACE_BY_PLACE or axis not in (1, -1):
            self._refuse(node, "it follows a fully connected layer and mixes places")
        elif axis == -1:
            self._refuse(node, "its axis -1 would be another one")

    def _refuse(self, node: Node, reason: str) -> None:
        remedy = "End the net before it, or write it so that it acts along axis 1."
        self.refusals.append(Refusal(node, Unsupported(f"{reason}.", remedy)))


def fully_convolutional(model: Model) -> Model:
    """The same numbers as a net that takes images of any size at least the file's.

    Raises:
        SpecError: layers that cannot be applied at every place, all of them.
    """
    work = _Work(model)
    message = work.run()
    net = Located(message, replace(model.net.places, root=model.net.places.root))
    graph = build_graph(net, TEST)
    owners = {p.key: i for i, p in enumerate(model.graph.params)}
    kinds = {node.name: node for node in model.graph.nodes}
    params = [
        _reshaped(model.params[owners[p.key]], p.shape, kinds[p.layer])
        for p in graph.params
    ]
    names = ", ".join(f"{n} ({h} x {w})" for n, (h, w) in work.turned.items())
    notes = [f"now convolutions: {names or 'none'}."]
    if work.dropped:
        notes.append(f"left out: {', '.join(work.dropped)}.")
    return replace(
        model,
        net=net,
        graph=graph,
        params=tuple(params),
        notes=(*model.notes, *notes),
    )


def _reshaped(values: Array, shape: Shape, node: Node) -> Array:
    if values.shape == shape:
        return values
    message = node.layer.proto.inner_product_param
    if node.type == "InnerProduct" and message.transpose and values.ndim == 2:
        values = values.T
    return values.reshape(shape)
