"""The targets that hold weights: safetensors, HDF5, npz, and caffemodel anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from netspec.convert.certificate import Certificate, Trial, hash_file, tools
from netspec.convert.compare import differences
from netspec.convert.metadata import NETSPEC, PROTOTXT, VERSION
from netspec.convert.modern import modernised
from netspec.convert.npz import read_texts, write_npz
from netspec.convert.preprocessing import (
    KEY,
    as_text,
    choose,
    from_metadata,
    of_layer,
)
from netspec.convert.request import Outcome, Request, target
from netspec.convert.safetensors import (
    LAYERS,
    read_metadata,
    tensors_of,
    write_safetensors,
)
from netspec.convert.source import Kind, kind_of, read_any_net, read_any_weights
from netspec.data.preprocess import Preprocess
from netspec.data.preprocess_file import write_sidecar
from netspec.errors import NetspecError, UsageError
from netspec.proto import LayerParameter, NetParameter
from netspec.spec import parse_net, to_text
from netspec.weights import Weights, write_caffemodel, write_hdf5

Array = Any
_WITH_METADATA = (".safetensors", ".npz")
Writer = Callable[[Path, Weights, NetParameter, dict[str, str]], None]


def _convert(
    request: Request, write: Writer, packages: tuple[str, ...] = ()
) -> Outcome:
    weights = _weights(request)
    net = _net(request, weights)
    known = _preprocess(request, net, _depth(weights))
    write(request.out, weights, net, _metadata(net, known))
    files = [request.out]
    if known and request.out.suffix not in _WITH_METADATA:
        files.append(write_sidecar(request.out, known))
    if not request.verify:
        return Outcome(tuple(files))
    return Outcome(tuple(files), (), _certificate(request, weights, packages))


def _preprocess(request: Request, net: NetParameter, depth: int) -> Preprocess | None:
    """What is told, stands beside the source or in it, or its data layer says."""
    sources = [f for f in (request.weights, request.source) if f]
    own = None
    for path in sources:
        own = own or from_metadata(_texts(path).get(KEY))
    for layer in net.layer:
        if own is None and layer.HasField("transform_param"):
            own, _ = of_layer(layer, request.source, depth)
    return choose(request.preprocess, own, sources)


def _depth(weights: Weights) -> int:
    """Channels of the image, as the first kernel that there is has them."""
    for arrays in weights.values():
        if arrays and arrays[0].ndim == 4:
            return int(arrays[0].shape[1])
    return 0


def _texts(path: str) -> dict[str, str]:
    """The metadata of a file that has some."""
    kind = kind_of(path)
    if kind is Kind.SAFETENSORS:
        return read_metadata(path)
    return read_texts(path) if kind is Kind.NPZ else {}


def _weights(request: Request) -> Weights:
    """The weights that the request names, wherever they are."""
    source = request.weights or request.source
    kind = kind_of(source)
    if kind in (Kind.PROTOTXT, Kind.JSON, Kind.YAML):
        raise UsageError(
            f"{str(source)!r} is a net and holds no weights.",
            "Give them with --weights, or name the weights file itself.",
        )
    return modernised(read_any_weights(source))


def _net(request: Request, weights: Weights) -> NetParameter:
    """The net that goes along; where nobody has it, the layers' names and types."""
    for path in dict.fromkeys([request.source, request.weights or request.source]):
        try:
            return _complete(_net_in(path), weights)
        except NetspecError as error:
            if not isinstance(error, UsageError):
                raise
    net = NetParameter()
    for layer in weights.layers.values():
        net.layer.add(name=layer.name, type=layer.type)
    return net


def _net_in(path: str) -> NetParameter:
    """The net that a file holds, or carries along in its metadata.

    Raises:
        UsageError: it holds none.
    """
    if kind_of(path) is Kind.NPZ:
        text = read_texts(path).get(PROTOTXT)
        if text:
            return parse_net(text, path).message
    if kind_of(path) is Kind.ONNX:
        from netspec.convert.from_onnx import import_onnx

        return import_onnx(path).net.message
    return read_any_net(path).message


def _complete(net: NetParameter, weights: Weights) -> NetParameter:
    """The net with one layer for each that has weights.

    Where several layers of one name stand in it (one a phase), the first gets them.
    """
    whole = NetParameter()
    whole.CopyFrom(net)
    known = {layer.name for layer in whole.layer}
    for layer in weights.layers.values():
        if layer.blobs and layer.name not in known:
            whole.layer.append(LayerParameter(name=layer.name, type=layer.type))
    return whole


def _metadata(net: NetParameter, known: Preprocess | None) -> dict[str, str]:
    found = {VERSION: NETSPEC, PROTOTXT: to_text(net)}
    return {**found, KEY: as_text(known)} if known else found


def _certificate(
    request: Request, weights: Weights, packages: tuple[str, ...]
) -> Certificate:
    """Read back what was written: every value must be the same, bit for bit."""
    ours, theirs = _blobs(weights), _blobs(read_any_weights(request.out))
    compared = tuple(differences(ours, theirs, ours))
    trial = Trial("every blob, read back", {}, compared)
    source = request.weights or request.source
    return Certificate(
        f"the weights in {Path(source).name}",
        f"those in {request.out.name}",
        (hash_file(source),),
        (hash_file(request.out),),
        tools(*packages),
        (trial,),
        tolerance=0.0,
    )


def _blobs(weights: Weights) -> dict[str, Array]:
    return {
        f"{layer.name}/{i}": blob.array
        for layer in weights.layers.values()
        for i, blob in enumerate(layer.blobs)
        if blob is not None
    }


def _to_safetensors(
    path: Path, weights: Weights, net: NetParameter, texts: dict[str, str]
) -> None:
    tensors, order = tensors_of(weights)
    write_safetensors(path, tensors, {**texts, LAYERS: order})


def _to_npz(
    path: Path, weights: Weights, net: NetParameter, texts: dict[str, str]
) -> None:
    write_npz(path, weights, texts)


def _to_hdf5(
    path: Path, weights: Weights, net: NetParameter, texts: dict[str, str]
) -> None:
    write_hdf5(path, _arrays(weights))


def _to_caffemodel(
    path: Path, weights: Weights, net: NetParameter, texts: dict[str, str]
) -> None:
    arrays = {
        n: [a for a in held if a is not None] for n, held in _arrays(weights).items()
    }
    write_caffemodel(path, _once(net), {n: held for n, held in arrays.items() if held})


def _arrays(weights: Weights) -> Mapping[str, list[Array | None]]:
    return {
        name: [None if blob is None else blob.array for blob in layer.blobs]
        for name, layer in weights.layers.items()
    }


def _once(net: NetParameter) -> NetParameter:
    """The net without blobs, and with one layer of each name."""
    once, names = NetParameter(), set()
    once.CopyFrom(net)
    del once.layer[:]
    for layer in net.layer:
        if layer.name not in names:
            once.layer.append(layer)
            once.layer[-1].ClearField("blobs")
        names.add(layer.name)
    return once


@target("safetensors", "safetensors, with the net and its preprocessing as metadata")
def convert_to_safetensors(request: Request) -> Outcome:
    """Write the weights; no package is needed for it."""
    return _convert(request, _to_safetensors)


@target("npz", "NumPy's npz, with the net as text")
def convert_to_npz(request: Request) -> Outcome:
    """Write the weights."""
    return _convert(request, _to_npz)


@target("hdf5", "Caffe's HDF5 weights")
def convert_to_hdf5(request: Request) -> Outcome:
    """Write the weights."""
    return _convert(request, _to_hdf5, ("h5py",))


@target("caffemodel", "Caffe's weights in today's spelling, with their net")
def convert_to_caffemodel(request: Request) -> Outcome:
    """Write the weights, from any format that holds some."""
    return _convert(request, _to_caffemodel)
