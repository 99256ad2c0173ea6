"""BatchNorms with scale and bias inside, as forks' files hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netspec.shapes import Shape
from netspec.spec.blobproto import StoredBlob
from netspec.weights.target import TargetLayer

FUSED = 5  # mean, variance, factor, scale, bias
# Scale, bias, mean, variance and factor: the order of NVIDIA's fork until 0.15.
_OLD_ORDER = (2, 3, 4, 0, 1)

Stored = list[StoredBlob | None]


def in_own_form(layer: TargetLayer, stored: Stored) -> Stored:
    """The five blobs of such a layer in today's order and the net's shapes.

    The old order is told by the factor, the one blob of a single value. Forks also
    write 1 x C x 1 x 1 for C.
    """
    if layer.type != "BatchNorm" or len(layer.blobs) != FUSED or len(stored) != FUSED:
        return stored
    sizes = [blob.array.size if blob else 0 for blob in stored]
    if sizes[4] == 1 and sizes[2] != 1:
        stored = [stored[i] for i in _OLD_ORDER]
    shapes = (blob.shape for blob in layer.blobs)
    return [_shaped(blob, shape) for blob, shape in zip(stored, shapes)]


def _shaped(blob: StoredBlob | None, shape: Shape) -> StoredBlob | None:
    if blob is None or _extents(blob.array.shape) != _extents(shape):
        return blob
    return replace(blob, array=blob.array.reshape(shape), legacy=False)


def _extents(shape: Sequence[int]) -> list[int]:
    return [extent for extent in shape if extent != 1]
