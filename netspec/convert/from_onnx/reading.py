"""An ONNX file as plain values: nodes, constants, inputs, shapes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netspec.convert.extras import load_onnx
from netspec.convert.metadata import INPUTS
from netspec.errors import DataError, Place, UsageError
from netspec.shapes import Shape

Array = Any


@dataclass
class OnnxNode:
    """One operator.

    Attributes:
        attrs: attributes as Python values.
        inputs: names; "" for one that is left out.
    """

    op: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attrs: dict[str, Any]
    proto: Any = field(repr=False, default=None)


@dataclass
class OnnxModel:
    """A whole model.

    Attributes:
        constants: initializers by name.
        inputs: (name, shape) of what a caller gives; 0 stands for an open extent.
        opset: version of the default operator set.
        metadata: the file's own strings.
    """

    file: str
    name: str
    nodes: list[OnnxNode]
    constants: dict[str, Array]
    inputs: list[tuple[str, Shape]]
    outputs: list[str]
    opset: int
    metadata: dict[str, str]


def read_onnx(path: str | Path) -> OnnxModel:
    """Read a file and the data beside it.

    Raises:
        DataError: it is damaged, or uses operators of another domain.
    """
    onnx, place = load_onnx(), Place(str(path))
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(str(path))
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        problem = f"the ONNX file cannot be read: {reason}."
        raise DataError(
            problem, "The file is damaged: make it again.", place=place
        ) from None
    graph = model.graph
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    return OnnxModel(
        str(path),
        graph.name,
        [_node(onnx, n, i) for i, n in enumerate(graph.node)],
        constants,
        [(v.name, _shape(v)) for v in graph.input if v.name not in constants],
        [v.name for v in graph.output],
        max(o.version for o in model.opset_import if o.domain in ("", "ai.onnx")),
        {p.key: p.value for p in model.metadata_props},
    )


def _node(onnx: Any, node: Any, index: int) -> OnnxNode:
    attrs = {}
    for a in node.attribute:
        value = onnx.helper.get_attribute_value(a)
        attrs[a.name] = value.decode() if isinstance(value, bytes) else value
    op = (
        node.op_type
        if node.domain in ("", "ai.onnx")
        else f"{node.domain}.{node.op_type}"
    )
    name = node.name or f"{op}_{index}"
    return OnnxNode(op, name, list(node.input), list(node.output), attrs, node)


def _shape(value: Any) -> Shape:
    dims = value.type.tensor_type.shape.dim
    return tuple(d.dim_value if d.HasField("dim_value") else 0 for d in dims)


def _known_shapes(model: OnnxModel) -> dict[str, Shape]:
    """Shapes of the inputs that the file remembers, where netspec wrote it."""
    try:
        held = json.loads(model.metadata.get(INPUTS, "{}"))
        return {str(k): tuple(int(n) for n in v) for k, v in held.items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def closed(model: OnnxModel, given: dict[str, Shape]) -> dict[str, Shape]:
    """The inputs' shapes: open batches are 1, other open extents must be *given*.

    Raises:
        UsageError: the size of an input is open and nobody gives it.
    """
    found = {}
    known = _known_shapes(model)
    for name, shape in model.inputs:
        if name not in given and len(known.get(name, ())) == len(shape):
            shape = tuple(n or k for n, k in zip(shape, known[name]))
        if name in given:
            shape = (shape[0] or 1, *given[name])
        shape = (shape[0] or 1, *shape[1:]) if shape else shape
        if 0 in shape:
            raise UsageError(
                f"the size of input {name!r} is open in {model.file}.",
                f"Give it without the batch: --input {name}=3,224,224.",
            )
        found[name] = shape
    return found
