"""An ONNX model as a net with weights: operator by operator, then made Caffe's way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netspec.convert.extras import load
from netspec.convert.from_onnx import activations, arithmetic, dense, shaping, windows
from netspec.convert.from_onnx.building import NetBuilder
from netspec.convert.from_onnx.operators import IMPORTERS, Step
from netspec.convert.from_onnx.reading import OnnxModel, OnnxNode, closed, read_onnx
from netspec.convert.from_onnx.tidying import (
    absorb_flattening,
    friendly_names,
    without_empty_settings,
    work_in_place,
)
from netspec.convert.model import Model, transplanted
from netspec.convert.preprocessing import KEY, from_metadata
from netspec.convert.refusal import UnsupportedError
from netspec.errors import NetspecError, Place, SpecError
from netspec.graph import build_graph
from netspec.proto import TEST
from netspec.shapes import Shape
from netspec.spec import Located
from netspec.spec.locate import Places
from netspec.weights import Weights

Array = Any
FAMILIES = (activations, arithmetic, dense, shaping, windows)

# Operators that only compute shapes and constants: done here, where inputs are known.
_FOLDABLE = frozenset({
    "Add", "Cast", "Concat", "Constant", "ConstantOfShape", "Div", "Equal", "Expand",
    "Floor", "Gather", "Identity", "Mul", "Range", "ReduceProd", "Reshape", "Shape",
    "Slice", "Sqrt", "Squeeze", "Sub", "Transpose", "Unsqueeze", "Where",
})  # fmt: skip


@dataclass(frozen=True)
class Imported:
    """What came of an ONNX file.

    Attributes:
        values: the ONNX value that each blob was.
    """

    model: Model
    onnx: OnnxModel
    values: dict[str, str]


def import_onnx(path: str | Path, shapes: Mapping[str, Shape] | None = None) -> Model:
    """The model in an ONNX file.

    Args:
        shapes: of inputs whose size is open in the file, without the batch.

    Raises:
        DataError: the file is damaged.
        SpecError: operators that a prototxt cannot express, all of them.
        UsageError: onnx is not installed, or an input's size is open.
    """
    return read_import(path, shapes).model


def read_import(
    path: str | Path, shapes: Mapping[str, Shape] | None = None
) -> Imported:
    """The same, with what a comparison needs."""
    onnx = read_onnx(path)
    net = NetBuilder(onnx.name, dict(onnx.constants))
    for name, shape in closed(onnx, dict(shapes or {})).items():
        net.input(name, shape)
    _walk(onnx, net)
    _name_outputs(onnx, net)
    absorb_flattening(net.net, onnx.outputs)
    work_in_place(net.net, onnx.outputs)
    values = {v: v for n in onnx.nodes for v in n.outputs}
    for blob, value in friendly_names(net.net).items():
        if value in values:
            values[blob] = values.pop(value)
    return Imported(_model(onnx, net), onnx, values)


def _walk(onnx: OnnxModel, net: NetBuilder) -> None:
    """Add a layer for every operator that is not known beforehand."""
    pads: dict[str, tuple[Shape, Shape]] = {}
    refusals: list[tuple[OnnxNode, UnsupportedError]] = []
    lost: set[str] = set()
    for node in _with_biases(onnx):
        if lost & set(node.inputs):
            lost.update(node.outputs)
            continue
        try:
            if not _folded(node, net):
                _import(Step(node, net, onnx.opset, pads))
        except UnsupportedError as cause:
            refusals.append((node, cause))
            lost.update(node.outputs)
        except NetspecError as error:
            refusals.append((node, UnsupportedError(error.problem, error.remedy)))
            lost.update(node.outputs)
    if refusals:
        raise _refused(onnx, refusals)


def _import(step: Step) -> None:
    if step.node.op not in IMPORTERS:
        raise step.refusal("there is no layer for it")
    padded = [n for n in step.node.inputs if step.net.value(n) in step.pads]
    takes = step.node.op in ("Conv", "ConvTranspose", "AveragePool", "MaxPool", "Pad")
    if padded and not takes:
        raise step.refusal(
            "the zeros padded around its input have no layer to be part of"
        )
    IMPORTERS[step.node.op](step)


def _refused(
    onnx: OnnxModel, refusals: list[tuple[OnnxNode, UnsupportedError]]
) -> SpecError:
    lines = [f"  {n.op} {n.name!r}: {cause.reason}" for n, cause in refusals]
    count = f"{len(refusals)} operator" + ("s" if len(refusals) > 1 else "")
    remedies = dict.fromkeys(cause.remedy for _, cause in refusals if cause.remedy)
    return SpecError(
        "\n".join([f"a prototxt cannot express {count}:", *lines]),
        "\n  ".join(remedies),
        place=Place(onnx.file),
    )


def _folded(node: OnnxNode, net: NetBuilder) -> bool:
    """Compute an operator whose inputs are known; Shape needs only their extents."""
    given = [n for n in node.inputs if n]
    if node.op == "Shape" and net.value(given[0]) in net.shapes:
        extent = net.shape(given[0])
        start, end = node.attrs.get("start", 0), node.attrs.get("end", len(extent))
        net.constants[node.outputs[0]] = np.array(extent[start:end], np.int64)
        net.computed.add(node.outputs[0])
        return True
    if node.op not in _FOLDABLE or not all(map(net.is_constant, given)):
        return False
    reference = load("onnx.reference", "ONNX", "'netspec[onnx]'")
    feeds = {name: net.constant(name) for name in given}
    found = reference.ReferenceEvaluator(node.proto).run(None, feeds)
    net.constants.update(zip(node.outputs, found))
    if any(net.value(name) in net.computed for name in given):
        net.computed.update(node.outputs)
    return True


def _with_biases(onnx: OnnxModel) -> list[OnnxNode]:
    """MatMul followed by the Add of a vector, as one Gemm-like operator."""
    readers = Counter(name for node in onnx.nodes for name in node.inputs)
    makers = {node.outputs[0]: node for node in onnx.nodes if node.op == "MatMul"}
    gone: set[int] = set()
    for node in onnx.nodes:
        if node.op != "Add" or len(node.inputs) != 2:
            continue
        for value, other in (node.inputs, node.inputs[::-1]):
            made, bias = makers.get(value), onnx.constants.get(other)
            weight = onnx.constants.get(made.inputs[1]) if made else None
            if made is None or bias is None or weight is None or readers[value] > 1:
                continue
            if bias.ndim == 1 and weight.ndim == 2 and bias.shape == weight.shape[1:]:
                node.op, node.inputs = "MatMulBias", [*made.inputs, other]
                gone.add(id(made))
                break
    return [node for node in onnx.nodes if id(node) not in gone]


@IMPORTERS("MatMulBias")
def mat_mul_bias(step: Step) -> None:
    """InnerProduct with its bias."""
    weight, bias = step.known(1), step.known(2)
    dense.inner_product(step, weight.T, bias, step.rank - 1)


def _name_outputs(onnx: OnnxModel, net: NetBuilder) -> None:
    """An output that only is another value gives that one its name."""
    for name in onnx.outputs:
        blob = net.value(name)
        if blob == name or blob in dict(onnx.inputs):
            continue
        for layer in net.net.layer:
            for names in (layer.bottom, layer.top):
                names[:] = [name if n == blob else n for n in names]


def _model(onnx: OnnxModel, builder: NetBuilder) -> Model:
    net = Located(without_empty_settings(builder.net), Places(onnx.file))
    graph = build_graph(net, TEST)
    weights = Weights.of_arrays(builder.weights, onnx.file)
    params = tuple(transplanted(graph, weights)) if graph.params else ()
    known = from_metadata(onnx.metadata.get(KEY))
    return Model(net, graph, params, known, (onnx.file,))
