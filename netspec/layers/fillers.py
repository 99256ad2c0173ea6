"""Fillers: how a parameter is filled before training.

Each is a pure function of the filler's message, the array's shape and the key; see
``FillerParameter`` in protos/netspec.proto for the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from netspec.errors import SpecError
from netspec.layers.base import ParamSpec
from netspec.proto import FillerParameter, LayerParameter
from netspec.random import Key, normal_fill, uniform_fill
from netspec.registry import Registry
from netspec.shapes import Shape, count, describe

Values = NDArray[np.floating]
Filler = Callable[[FillerParameter, Values, Key], None]

FILLERS: Registry[Filler] = Registry("filler")
_ROWS = ("xavier", "msra", "positive_unitball")


def fill(filler: FillerParameter, out: Values, key: Key) -> None:
    """Fill *out*, a C-contiguous array of any float type.

    Raises:
        SpecError: an unknown type, or settings that do not suit the shape.
    """
    check_filler(filler, out.shape)
    FILLERS[filler.type](filler, out, key)


def check_fillers(layer: LayerParameter, params: Sequence[ParamSpec]) -> None:
    """Refuse a layer's fillers that cannot fill its parameters.

    Raises:
        SpecError: with the path of the filler's field.
    """
    for param in params:
        check_filler(param.filler, param.shape, _place_of(param.filler, layer))


def _place_of(filler: FillerParameter, layer: LayerParameter) -> str:
    """Path of a filler within a layer's message; nothing where it is the default."""
    for outer, message in layer.ListFields():
        if outer.name.endswith("_param"):
            for inner, value in message.ListFields():
                if isinstance(value, FillerParameter) and value == filler:
                    return f"{outer.name}.{inner.name}"
    return ""


def check_filler(filler: FillerParameter, shape: Shape, place: str = "") -> None:
    """Refuse what :func:`fill` cannot do, before there is an array.

    Args:
        place: path of the filler within its layer's message, for the error.
    """
    try:
        _check(filler, shape)
    except SpecError as error:
        error.field = f"{place}.{error.field}" if place else ""
        raise


def _check(filler: FillerParameter, shape: Shape) -> None:
    _check_type(filler.type)
    if filler.type == "uniform" and filler.min > filler.max:
        raise SpecError(
            f"filler uniform has min {filler.min:g} above max {filler.max:g}.",
            "Swap them.",
            field="min",
        )
    if filler.type == "gaussian" and filler.std < 0:
        raise SpecError(
            f"filler gaussian has std {filler.std:g}.",
            "A standard deviation is not below 0.",
            field="std",
        )
    _check_sparse(filler, shape)
    _check_shape(filler, shape)


def _check_type(name: str) -> None:
    try:
        FILLERS[name]
    except SpecError as error:
        error.field = "type"
        raise


def _check_sparse(filler: FillerParameter, shape: Shape) -> None:
    if filler.sparse == -1:
        return
    if filler.type != "gaussian" or filler.sparse < 0 or not shape:
        raise SpecError(
            f"filler {filler.type} of a parameter of shape {describe(shape)} has "
            f"sparse {filler.sparse}.",
            "sparse goes with filler gaussian and is 0 or more; -1 keeps all weights.",
            field="sparse",
        )


def _check_shape(filler: FillerParameter, shape: Shape) -> None:
    square = len(shape) == 4 and shape[2] == shape[3]
    if filler.type == "bilinear" and not square:
        raise SpecError(
            f"filler bilinear cannot fill a parameter of shape {describe(shape)}.",
            "It fills kernels of four axes with equal height and width.",
            field="type",
        )
    if filler.type in _ROWS and not shape:
        raise SpecError(
            f"filler {filler.type} cannot fill a scalar.",
            "Choose constant, uniform or gaussian.",
            field="type",
        )


@FILLERS("constant")
def constant(filler: FillerParameter, out: Values, key: Key) -> None:
    """*value* everywhere."""
    out[...] = filler.value


@FILLERS("uniform")
def uniform(filler: FillerParameter, out: Values, key: Key) -> None:
    """Between *min* and *max*."""
    uniform_fill(key, out, filler.min, filler.max)


@FILLERS("gaussian")
def gaussian(filler: FillerParameter, out: Values, key: Key) -> None:
    """N(mean, std²); with *sparse* each weight is kept with chance sparse / rows."""
    normal_fill(key, out, filler.mean, filler.std)
    if filler.sparse >= 0:
        drawn = np.empty(out.shape)
        uniform_fill(replace(key, purpose=f"{key.purpose}/sparse"), drawn, 0.0, 1.0)
        out *= drawn < filler.sparse / out.shape[0]


@FILLERS("positive_unitball")
def positive_unitball(filler: FillerParameter, out: Values, key: Key) -> None:
    """Rows of positive numbers that sum to 1."""
    uniform_fill(key, out, 0.0, 1.0)
    rows = out.reshape(out.shape[0], -1)
    rows /= rows.sum(axis=1, keepdims=True)


@FILLERS("xavier")
def xavier(filler: FillerParameter, out: Values, key: Key) -> None:
    """Between ±√(3 / n)."""
    limit = math.sqrt(3 / fan(filler, out.shape))
    uniform_fill(key, out, -limit, limit)


@FILLERS("msra")
def msra(filler: FillerParameter, out: Values, key: Key) -> None:
    """N(0, 2 / n)."""
    normal_fill(key, out, 0.0, math.sqrt(2 / fan(filler, out.shape)))


@FILLERS("bilinear")
def bilinear(filler: FillerParameter, out: Values, key: Key) -> None:
    """The kernel that interpolates linearly when a deconvolution upsamples."""
    size = out.shape[3]
    factor = math.ceil(size / 2)
    centre = (size - 1) / (2 * factor)
    ramp = 1 - np.abs(np.arange(size) / factor - centre)
    out[...] = np.outer(ramp, ramp)


def fan(filler: FillerParameter, shape: Shape) -> float:
    """n of xavier and msra: inputs of one output, outputs of one input, or their mean.

    Counts elements a row and a column of the first two axes, as Caffe does it.
    """
    fan_in = count(shape, 1)
    fan_out = count(shape[:1] + shape[2:])
    if filler.variance_norm == FillerParameter.FAN_OUT:
        return fan_out
    if filler.variance_norm == FillerParameter.AVERAGE:
        return (fan_in + fan_out) / 2
    return fan_in
