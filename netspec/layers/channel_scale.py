"""A scale and a bias for each channel behind a normalisation: for layers with both."""

from __future__ import annotations

from typing import Any

from netspec.layers.base import Array


def scale_channels(
    ops: Any, z: Array, scale: Array, bias: Array | None, y: Array
) -> None:
    """y = scale z + bias over the channels, axis 1; y may be z."""
    ops.affine(_split(z), _flat(scale), _flat(bias), _split(y))


def scale_channels_backward(
    ops: Any, z: Array, dy: Array, dscale: Array | None, dbias: Array | None
) -> None:
    """Add the gradients of the scale and the bias, where they are wanted."""
    if dscale is not None or dbias is not None:
        ops.affine_gradient(_split(z), _split(dy), _flat(dscale), _flat(dbias))


def _split(x: Array) -> Array:
    return x.reshape(x.shape[0], x.shape[1], -1)


def _flat(x: Array | None) -> Array | None:
    return None if x is None else x.reshape(-1)
