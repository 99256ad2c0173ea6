"""Telling by its content what a file is, and reading nets and weights of any kind."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Any

from netspec.errors import DataError, Place, UsageError
from netspec.proto import NetParameter
from netspec.spec import Located, read_net
from netspec.spec.wire import LENGTH, VARINT, Message
from netspec.weights import Weights, read_weights

_HEAD = 4096
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
# ModelProto: ir_version, and the graph or the operator sets.
_IR_VERSION, _GRAPH, _OPSETS = 1, 7, 8


class Kind(Enum):
    """What a file is."""

    PROTOTXT = "prototxt"
    CAFFEMODEL = "caffemodel"
    ONNX = "ONNX model"
    SAFETENSORS = "safetensors file"
    HDF5 = "HDF5 file"
    NPZ = "npz file"
    JSON = "JSON file"
    YAML = "YAML file"

    @property
    def is_weights(self) -> bool:
        """Whether the file holds arrays and no net that can be built."""
        return self in (Kind.SAFETENSORS, Kind.HDF5, Kind.NPZ)


def kind_of(path: str | Path) -> Kind:
    """What a file is, by its first bytes and never by its name.

    Raises:
        DataError: it is missing, or a pickle, which is never read.
    """
    head = _head(Path(path))
    if head.startswith(_HDF5):
        return Kind.HDF5
    if head.startswith(_ZIP):
        return _zip_kind(Path(path))
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        raise _pickle(path)
    if _is_safetensors(Path(path), head):
        return Kind.SAFETENSORS
    if _is_binary(head):
        return Kind.ONNX if _is_onnx(path) else Kind.CAFFEMODEL
    return _text_kind(head)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        problem = f"the file cannot be read: {reason}."
        raise DataError(problem, "Check the name.", place=Place(str(path))) from None


def _zip_kind(path: Path) -> Kind:
    import zipfile

    try:
        names = zipfile.ZipFile(path).namelist()
    except zipfile.BadZipFile:
        problem = "the archive is damaged or cut short."
        raise DataError(problem, "Make it again.", place=Place(str(path))) from None
    if names and all(name.endswith(".npy") for name in names):
        return Kind.NPZ
    raise _pickle(path)


def _pickle(path: str | Path) -> DataError:
    return DataError(
        "this is a pickle (PyTorch's .pt and .pth are): reading one runs whatever code "
        "is in it, so it is never read.",
        "Where it was made, save the state dict with safetensors.torch.save_file.",
        place=Place(str(path)),
    )


def _is_safetensors(path: Path, head: bytes) -> bool:
    size = int.from_bytes(head[:8], "little")
    return head[8:9] == b"{" and 2 <= size <= path.stat().st_size - 8


def _is_binary(head: bytes) -> bool:
    return bool(set(head) & (set(range(32)) - set(b"\t\n\v\f\r")))


def _is_onnx(path: str | Path) -> bool:
    numbers = set()
    try:
        for field in Message.map(path, "file").fields():
            if field.number == _IR_VERSION and field.wire == VARINT:
                numbers.add(_IR_VERSION)
            elif field.number in (_GRAPH, _OPSETS) and field.wire == LENGTH:
                numbers.add(_GRAPH)
    except DataError:
        return False
    return numbers == {_IR_VERSION, _GRAPH}


def _text_kind(head: bytes) -> Kind:
    text = head.decode("utf-8", "replace")
    if text.lstrip().startswith("{"):
        return Kind.JSON
    lines = (line.strip() for line in text.splitlines())
    for line in lines:
        if line in ("layer:", "layers:") or line.startswith("- "):
            return Kind.YAML
        if line.startswith(("layer {", "layers {", "layer{", "layers{")):
            return Kind.PROTOTXT
    return Kind.PROTOTXT


def read_any_net(path: str | Path) -> Located[NetParameter]:
    """A net from prototxt, caffemodel, JSON or YAML.

    Raises:
        SpecError: it is none.
        UsageError: the file holds weights alone.
    """
    kind = kind_of(path)
    if kind in (Kind.JSON, Kind.YAML):
        from netspec.convert.plain import read_plain_net

        return read_plain_net(path, kind is Kind.YAML)
    if kind is Kind.SAFETENSORS:
        return _net_inside(path)
    if kind.is_weights:
        raise UsageError(
            f"{str(path)!r} is an {kind.value}: it holds weights and no net.",
            "Name the net first, and the weights with --weights.",
        )
    return read_net(path)


def _net_inside(path: str | Path) -> Located[NetParameter]:
    """The net that our own safetensors files carry along."""
    from netspec.convert.metadata import PROTOTXT
    from netspec.convert.safetensors import read_metadata
    from netspec.spec import parse_net

    text = read_metadata(path).get(PROTOTXT)
    if text is None:
        raise UsageError(
            f"{str(path)!r} is a safetensors file that carries no net along.",
            "Name the net first, and the weights with --weights.",
        )
    return parse_net(text, str(path))


def read_any_weights(path: str | Path) -> Weights:
    """Weights from caffemodel, HDF5, safetensors, npz or ONNX.

    Raises:
        DataError: it holds none.
    """
    kind = kind_of(path)
    if kind is Kind.SAFETENSORS:
        from netspec.convert.safetensors import read_safetensors

        return read_safetensors(path)
    if kind is Kind.NPZ:
        from netspec.convert.npz import read_npz

        return read_npz(path)
    if kind is Kind.ONNX:
        from netspec.convert.from_onnx import import_onnx

        return import_onnx(path).as_weights()
    return read_weights(path)


def read_json(path: str | Path) -> Any:
    """The value in a JSON file.

    Raises:
        DataError: it is no JSON; with line and column.
    """
    try:
        return json.loads(Path(path).read_text())
    except json.JSONDecodeError as error:
        place = Place(str(path), error.lineno, error.colno)
        raise DataError(f"{error.msg}.", "Correct the JSON.", place=place) from None
