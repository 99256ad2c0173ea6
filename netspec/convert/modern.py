"""Weights as current Caffe writes them: shapes of as many axes as the blob has."""

from __future__ import annotations

from dataclasses import replace

from netspec.shapes import Shape
from netspec.spec.blobproto import StoredBlob
from netspec.weights import LayerWeights, Weights

_KERNELS = ("Convolution", "Deconvolution")


def modernised(weights: Weights) -> Weights:
    """The same with old four-axis shapes (1 x 1 x M x N) in today's form (M x N)."""
    layers = [_layer(layer) for layer in weights.layers.values()]
    return Weights(layers, weights.file, weights.net_bytes)


def _layer(layer: LayerWeights) -> LayerWeights:
    blobs = tuple(
        blob if blob is None else _blob(layer.type, i, blob)
        for i, blob in enumerate(layer.blobs)
    )
    return replace(layer, blobs=blobs)


def _blob(kind: str, index: int, blob: StoredBlob) -> StoredBlob:
    if not blob.legacy:
        return blob
    return StoredBlob(blob.array.reshape(_shape(kind, index, blob.array.shape)))


def _shape(kind: str, index: int, shape: Shape) -> Shape:
    """Four axes for kernels, two for matrices, one for whatever stands beside them."""
    if index == 0 and kind in _KERNELS:
        return shape
    axes = 2 if index == 0 and kind in ("InnerProduct", "Embed") else 1
    while len(shape) > axes and shape[0] == 1:
        shape = shape[1:]
    return shape
