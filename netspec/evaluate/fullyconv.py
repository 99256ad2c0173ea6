"""Fully connected layers as convolutions, so that a net slides over larger pictures.

An InnerProduct over C × H × W computes what a Convolution with an H × W kernel computes
at one place; over K × 1 × 1, what a 1 × 1 convolution does.  Weights keep their values:
(M, C·H·W) becomes (M, C, H, W).  Source: section 3.2 of the VGG paper.

It stands here, and not among the conversions, because dense evaluation needs it and may
not import them; they may import it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netspec.evaluate.located import with_layers
from netspec.evaluate.surgery import Kernel, Surgery
from netspec.graph import Graph
from netspec.proto import NetParameter
from netspec.spec import Located
from netspec.spec.blobproto import StoredBlob
from netspec.weights import LayerWeights, Weights


@dataclass(frozen=True)
class FullyConvolutional:
    """A net without InnerProduct layers.

    Attributes:
        net: layers as before, but for InnerProducts, now Convolutions of the same
            names, and what flattened their bottoms, which is gone.
        kernels: of each new convolution, by layer name.
    """

    net: Located[NetParameter]
    kernels: Mapping[str, Kernel]

    def weights(self, weights: Weights) -> Weights:
        """Weights of the plain net for this one; nothing is copied where it can be
        helped."""
        layers = [self._layer(layer) for layer in weights.layers.values()]
        return Weights(layers, weights.file)

    def _layer(self, layer: LayerWeights) -> LayerWeights:
        kernel = self.kernels.get(layer.name)
        if kernel is None or not layer.blobs or layer.blobs[0] is None:
            return layer
        filters = StoredBlob(kernel.filters(layer.blobs[0].array))
        blobs = (filters, *layer.blobs[1:])
        return LayerWeights(layer.name, "Convolution", blobs, layer.sparse)


def fully_convolutional(net: Located[NetParameter], graph: Graph) -> FullyConvolutional:
    """The same net with convolutions for its fully connected layers.

    Args:
        net: of one phase, as :func:`netspec.spec.filter_net` gives it.
        graph: of that net, at the size of picture that it was made for.

    Raises:
        SpecError: a layer behind an InnerProduct would not treat every place alike;
            located.
    """
    surgery = Surgery(net, graph)
    for index, layer in enumerate(net.message.layer):
        surgery.add(index, layer)
    return FullyConvolutional(with_layers(net, surgery.layers), surgery.kernels)
