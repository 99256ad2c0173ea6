"""Weights files made in memory, for the tests beside this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from netspec.proto import BlobProto, NetParameter, V1LayerParameter
from netspec.spec.wire import Message
from netspec.weights import TargetBlob, TargetLayer, Weights
from netspec.weights.caffemodel import weights_of

Arrays = Mapping[str, Sequence[np.ndarray]]


def draw(**shapes: Sequence[tuple[int, ...]]) -> dict[str, list[np.ndarray]]:
    """Arrays of random values, by layer name."""
    rng = np.random.default_rng(5)
    return {
        name: [rng.standard_normal(shape, np.float32) for shape in some]
        for name, some in shapes.items()
    }


def small() -> dict[str, list[np.ndarray]]:
    """A convolution and an inner product, no two axes alike."""
    return draw(conv=[(4, 3, 2, 5), (4,)], ip=[(6, 60), (6,)])


def legacy(array: np.ndarray) -> BlobProto:
    """A blob as Caffe wrote it before 2015: four axes, 1s in front."""
    n, c, h, w = (1,) * (4 - array.ndim) + array.shape
    return BlobProto(num=n, channels=c, height=h, width=w, data=array.ravel())


def current(arrays: Arrays, types: Mapping[str, str] = {}) -> NetParameter:
    """A net of ``layer`` with blobs."""
    net = NetParameter(name="net")
    for name, some in arrays.items():
        layer = net.layer.add(name=name, type=types.get(name, "InnerProduct"))
        for array in some:
            layer.blobs.add(data=array.ravel(), shape={"dim": array.shape})
    return net


def v1(arrays: Arrays) -> NetParameter:
    """A net of ``layers`` with blobs in four axes."""
    net = NetParameter()
    for name, some in arrays.items():
        conv = some[0].ndim == 4
        kind = V1LayerParameter.CONVOLUTION if conv else V1LayerParameter.INNER_PRODUCT
        net.layers.add(name=name, type=kind, blobs=map(legacy, some), top=[name])
    return net


def v0(arrays: Arrays) -> NetParameter:
    """A net of ``layers { layer { ... } }`` with blobs in the inner message."""
    net = NetParameter()
    for name, some in arrays.items():
        inner = net.layers.add(top=[name]).layer
        inner.name = name
        inner.type = "conv" if some[0].ndim == 4 else "innerproduct"
        inner.blobs.extend(map(legacy, some))
    return net


def loaded(net: NetParameter, file: str = "w.caffemodel") -> Weights:
    """What the reader makes of a net with blobs."""
    return weights_of(Message.of(net.SerializeToString(), "NetParameter", file))


def target(**layers: Sequence[tuple[int, ...]]) -> list[TargetLayer]:
    """A net's layers; those called conv... are convolutions, else InnerProduct."""
    return [
        TargetLayer(
            name,
            "Convolution" if name.startswith("conv") else "InnerProduct",
            tuple(map(TargetBlob, shapes)),
        )
        for name, shapes in layers.items()
    ]


def assert_same(weights: Mapping[str, Sequence[np.ndarray]], arrays: Arrays) -> None:
    """Every array of *arrays*, value for value, and no other."""
    assert [name for name in weights if weights[name]] == list(arrays)
    for name, some in arrays.items():
        for got, want in zip(weights[name], some, strict=True):
            np.testing.assert_array_equal(np.reshape(got, want.shape), want)
