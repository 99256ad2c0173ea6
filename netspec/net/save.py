"""Writing a net's weights, with the net itself where the format has room for it."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from typing import Any

from netspec.net.net import Net
from netspec.proto import NetParameter
from netspec.spec import filter_net
from netspec.weights import write_caffemodel, write_hdf5


def save_weights(net: Net, path: str | PathLike[str]) -> None:
    """Write a caffemodel, or HDF5 where the name ends in ``.h5``.

    A caffemodel also holds the net as its file has it, with the layers of both
    phases, so that it can be tested from the one file.

    Raises:
        DataError: it cannot be written; what was there before is as it was.
    """
    if str(path).endswith(".h5"):
        save_hdf5(net, path)
    else:
        save_caffemodel(net, path)


def save_hdf5(net: Net, path: str | PathLike[str]) -> None:
    """Write the weights as HDF5, whatever the file's name; raises as the above."""
    write_hdf5(str(path), dict(_owned(net)))


def save_caffemodel(net: Net, path: str | PathLike[str]) -> None:
    """Write a caffemodel, whatever the file's name; raises as the above."""
    read = net.ops.download
    blobs = {name: [read(b.data) for b in held] for name, held in net.params.items()}
    write_caffemodel(str(path), _stored_net(net), blobs)


def _owned(net: Net) -> Iterator[tuple[str, list[Any]]]:
    """Arrays of each layer; None for what a layer before it owns."""
    seen: set[int] = set()
    for node in net.graph.nodes:
        arrays = [
            None if p in seen else net.ops.download(net.param_blobs[p].data)
            for p in node.params
        ]
        seen.update(node.params)
        yield node.name, arrays


def _stored_net(net: Net) -> NetParameter:
    """The net's message, less layers of another phase named as one with weights.

    Readers go by layer name, so no two layers may lay claim to the same weights.
    """
    ours = iter(filter_net(net.spec, *net.state).message.layer)
    mine = next(ours, None)
    stored = NetParameter()
    stored.CopyFrom(net.spec.message)
    del stored.layer[:]
    for layer in net.spec.message.layer:
        if layer == mine:
            mine = next(ours, None)
        elif layer.name in net.params:
            continue
        stored.layer.add().CopyFrom(layer)
    return stored
