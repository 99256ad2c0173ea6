"""Weights of torchvision's VGG (a state dict as safetensors) for a net of ours.

Their layers are numbered (``features.0.weight``), ours have names: both are matched in
order, kind by kind.  Their nets take red, green, blue from 0 to 1, less a mean, by a
deviation; the weights of the first convolution are turned and scaled so that the net
takes what Caffe's take: blue, green, red from 0 to 255, less the mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from netspec.data.preprocess import Preprocess
from netspec.data.presets import PRESETS
from netspec.errors import DataError, Place
from netspec.proto import NetParameter
from netspec.spec.blobproto import StoredBlob
from netspec.weights import LayerWeights, Weights

Array = Any

CONVENTION: Preprocess = PRESETS["torchvision"]

_NAME = re.compile(
    r"(features|classifier)\.(\d+)\."
    r"(weight|bias|running_mean|running_var|num_batches_tracked)"
)
_LAYERS = ("Convolution", "BatchNorm", "Scale", "InnerProduct")


def is_torchvision_vgg(names: Iterable[str]) -> bool:
    """Whether tensors are named as in torchvision's VGG and AlexNet."""
    names = list(names)
    matched = all(_NAME.fullmatch(name) for name in names)
    return matched and "features.0.weight" in names


def for_net(tensors: Mapping[str, Array], net: NetParameter, file: str) -> Weights:
    """The tensors as the weights of a net's layers.

    Raises:
        DataError: the net has other layers with weights than the file.
    """
    found = list(_layers(tensors))
    wanted = [x for x in net.layer if x.type in _LAYERS]
    kinds = [kind for kind, _ in found]
    if kinds != [layer.type for layer in wanted]:
        raise DataError(
            f"the file has {_counted(kinds)}, in that order; the net has "
            f"{_counted([layer.type for layer in wanted])}.",
            "Name the net of the same depth; models with BatchNorm need BatchNorm and "
            "Scale layers behind each convolution.",
            place=Place(file),
        )
    layers = [
        LayerWeights(layer.name, kind, tuple(map(StoredBlob, arrays)))
        for layer, (kind, arrays) in zip(wanted, found)
    ]
    return Weights(layers, file)


def _layers(tensors: Mapping[str, Array]) -> Iterator[tuple[str, list[Array]]]:
    """Kinds and blobs of the layers in Caffe's sense, in order."""
    modules: dict[tuple[bool, int], dict[str, Array]] = {}
    for name, array in tensors.items():
        part, number, word = _NAME.fullmatch(name).groups()  # type: ignore[union-attr]
        modules.setdefault((part == "classifier", int(number)), {})[word] = array
    for key in sorted(modules):
        held = modules[key]
        affine = [held[word] for word in ("weight", "bias") if word in held]
        if "running_mean" in held:
            factor = np.ones(1, np.float32)
            yield "BatchNorm", [held["running_mean"], held["running_var"], factor]
            yield "Scale", affine
        else:
            yield (
                ("Convolution" if held["weight"].ndim == 4 else "InnerProduct"),
                affine,
            )


def _counted(kinds: list[str]) -> str:
    counts = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    return ", ".join(f"{n} {kind}" for kind, n in counts.items()) or "nothing"
