"""The ONNX file, streamed: weights go from the mapped caffemodel to the disk.

The frame is made by the onnx package; the weights are TensorProtos whose ``raw_data``
is written a chunk at a time behind it.  Protobuf reads fields in any order, and lists
in pieces, so the result is an ordinary ONNX file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netspec.convert.extras import load_onnx
from netspec.convert.metadata import NETSPEC, metadata
from netspec.convert.to_onnx.builder import IR_VERSION, OPSET, Weight
from netspec.convert.to_onnx.export import Exported
from netspec.files import replacing
from netspec.shapes import Shape
from netspec.spec.blobproto import Values, pieces_size, write_pieces
from netspec.spec.wire import VARINT, encode_field, encode_header, encode_varint
from netspec.weights.caffemodel import LARGEST

# Field numbers of onnx.proto.
_GRAPH, _INITIALIZER, _OUTPUT = 7, 5, 12
_DIMS, _DATA_TYPE, _NAME, _RAW, _EXTERNAL, _LOCATION = 1, 2, 8, 9, 13, 14
_TYPES = {"float32": 1, "int64": 7}
_BESIDE = 1  # TensorProto.EXTERNAL
_ALIGNMENT = 4096  # bytes: so that a reader can map each tensor by itself
_WORTH_MOVING = 1024  # bytes; smaller tensors stay in the model

Pieces = list[bytes | Values]


def write_onnx(
    exported: Exported, path: str | Path, limit: int = LARGEST
) -> list[Path]:
    """Write the file, and a second one for the weights of a model above *limit* bytes.

    Returns:
        The files written.

    Raises:
        DataError: a file cannot be written; what was there before is as it was.
    """
    path = Path(path)
    frame, graph = _frame(exported)
    inside = [_tensor(weight) for weight in exported.weights]
    size = sum(map(pieces_size, inside)) + len(graph) + len(frame)
    if size <= limit:
        _write(path, frame, graph, inside)
        return [path]
    data = path.with_name(path.name + ".data")
    tensors = _write_data(data, exported.weights)
    _write(path, frame, graph, tensors)
    return [path, data]


def _write(path: Path, frame: bytes, graph: bytes, tensors: list[Pieces]) -> None:
    body: Pieces = [graph]
    for tensor in tensors:
        body += [encode_header(_INITIALIZER, pieces_size(tensor)), *tensor]
    pieces = [frame, encode_header(_GRAPH, pieces_size(body)), *body]
    with replacing(path) as temporary, temporary.open("wb") as file:
        write_pieces(file, pieces)


def _frame(exported: Exported) -> tuple[bytes, bytes]:
    """The model without its graph, and the graph without its weights."""
    onnx = load_onnx()
    graph = onnx.helper.make_graph(
        exported.nodes,
        exported.model.name,
        [_value(exported, name, name) for name in exported.inputs],
        [_value(exported, blob, name) for blob, name in _outputs(exported)],
    )
    model = onnx.helper.make_model(
        onnx.helper.make_graph([], "", [], []),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        producer_name="netspec",
        producer_version=NETSPEC,
        ir_version=IR_VERSION,
    )
    model.ClearField("graph")
    onnx.helper.set_model_props(model, metadata(exported.model))
    return model.SerializeToString(), graph.SerializeToString()


def _outputs(exported: Exported) -> list[tuple[str, str]]:
    return list(zip(exported.model.graph.outputs, exported.outputs))


def _value(exported: Exported, blob: str, name: str) -> Any:
    shape = exported.model.graph.blobs[blob]
    varies = exported.freedom.varies[blob]
    helper = load_onnx().helper
    return helper.make_tensor_value_info(name, _TYPES["float32"], _dims(shape, varies))


def _dims(shape: Shape, varies: tuple[bool, ...]) -> list[int | str | None]:
    """Extents, with names for what the caller chooses: N, H and W."""
    names = ("N", None, "H", "W") if len(shape) == 4 else ("N",)
    named = [*names, *(None,) * (len(shape) - len(names))]
    return [name if v else n for n, v, name in zip(shape, varies, named)]


def _varint(number: int, value: int) -> bytes:
    return encode_varint(number << 3 | VARINT) + encode_varint(value)


def _head(weight: Weight) -> bytes:
    dims = b"".join(_varint(_DIMS, n) for n in weight.array.shape)
    kind = _varint(_DATA_TYPE, _TYPES[weight.array.dtype.name])
    return dims + kind + encode_field(_NAME, weight.name.encode())


def _tensor(weight: Weight) -> Pieces:
    values = Values(weight.array, weight.array.dtype.newbyteorder("<"))
    return [_head(weight), encode_header(_RAW, len(values)), values]


def _write_data(path: Path, weights: tuple[Weight, ...]) -> list[Pieces]:
    """Write the large tensors one after another; TensorProtos that point to them."""
    tensors = []
    with replacing(path) as temporary, temporary.open("wb") as file:
        for weight in weights:
            values = Values(weight.array, weight.array.dtype.newbyteorder("<"))
            if len(values) < _WORTH_MOVING:
                tensors.append(_tensor(weight))
                continue
            file.write(b"\0" * (-file.tell() % _ALIGNMENT))
            tensors.append(
                [_head(weight) + _pointer(path.name, file.tell(), len(values))]
            )
            write_pieces(file, [values])
    return tensors


def _pointer(location: str, offset: int, length: int) -> bytes:
    entries = {"location": location, "offset": str(offset), "length": str(length)}
    return _varint(_LOCATION, _BESIDE) + b"".join(
        encode_field(
            _EXTERNAL, encode_field(1, key.encode()) + encode_field(2, value.encode())
        )
        for key, value in entries.items()
    )


def more_outputs(names: list[str]) -> bytes:
    """Bytes that, behind a whole ONNX file, make more of its values outputs."""
    entries = (encode_field(_OUTPUT, encode_field(1, name.encode())) for name in names)
    return encode_field(_GRAPH, b"".join(entries))
