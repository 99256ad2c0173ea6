"""Arithmetic with constants and between blobs."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.convert.from_onnx.operators import Step, imports
from netspec.proto import EltwiseParameter
from netspec.shapes import Shape, count

Array = Any
SUM, PROD, MAX = EltwiseParameter.SUM, EltwiseParameter.PROD, EltwiseParameter.MAX


@imports("Sqrt")
def sqrt(step: Step) -> None:
    """Power 0.5."""
    step.add("Power", power_param={"power": 0.5})


@imports("Neg")
def negative(step: Step) -> None:
    """Power with scale -1."""
    step.add("Power", power_param={"scale": -1.0})


@imports("Pow")
def power(step: Step) -> None:
    """Power."""
    exponent = np.asarray(step.known(1))
    if exponent.size != 1:
        raise step.refusal("its exponent is no single number")
    step.add("Power", power_param={"power": float(exponent.reshape(()))})


@imports("Add", "Sub", "Mul", "Div")
def binary(step: Step) -> None:
    """Power by a number, Scale or Bias by a vector, Eltwise between blobs."""
    first, second = (step.net.is_constant(n) for n in step.node.inputs[:2])
    if first == second:
        _between_blobs(step)
        return
    op = step.node.op
    if first and op in ("Sub", "Div"):
        raise step.refusal("it takes a value from a constant")
    if first:
        step.node.inputs.reverse()
    values = np.asarray(step.known(1), np.float32)
    if values.size == 1:
        number = float(values.reshape(()))
        fields = {
            "Add": {"shift": number},
            "Sub": {"shift": -number},
            "Mul": {"scale": number},
            "Div": {"scale": 1 / number if number else float("inf")},
        }[op]
        step.add("Power", power_param=fields)
        return
    _by_vector(step, op, values)


def _by_vector(step: Step, op: str, values: Array) -> None:
    """Scale or Bias along the axes that the constant covers."""
    axis, covered = _covered(step, values.shape)
    values = values.reshape(covered)
    fields: dict[str, Any] = {} if axis == 1 else {"axis": axis}
    fields |= {} if len(covered) == 1 else {"num_axes": len(covered)}
    if op in ("Add", "Sub"):
        values = values if op == "Add" else -values
        step.add("Bias", bias_param=fields, weights=[values])
    else:
        values = values if op == "Mul" else 1 / values
        step.add("Scale", scale_param=fields, weights=[values])


def _covered(step: Step, shape: Shape) -> tuple[int, Shape]:
    """First axis and extents that a broadcast constant really covers."""
    full = (1,) * (step.rank - len(shape)) + tuple(shape)
    if len(full) > step.rank:
        raise step.refusal("the constant has more axes than the blob")
    real = [axis for axis, n in enumerate(full) if n > 1]
    first, last = real[0], real[-1]
    covered = full[first : last + 1]
    if covered != step.shape[first : last + 1]:
        raise step.refusal("the constant does not cover neighbouring axes")
    return first, covered


def _between_blobs(step: Step) -> None:
    op = step.node.op
    shapes = [step.net.shape(n) for n in step.node.inputs]
    if op == "Div":
        raise step.refusal("it divides blobs by each other")
    if shapes[0] == shapes[1]:
        fields: dict[str, Any] = {"operation": PROD} if op == "Mul" else {}
        fields |= {"coeff": [1.0, -1.0]} if op == "Sub" else {}
        step.net.add(
            "Eltwise", step.name, step.node.inputs, [step.y], eltwise_param=fields
        )
        return
    if op != "Mul":
        raise step.refusal(f"its inputs have shapes {shapes[0]} and {shapes[1]}")
    _gate(step, shapes)


def _gate(step: Step, shapes: list[Shape]) -> None:
    """A blob times one number a channel of each image, as squeeze-and-excitation."""
    wide, narrow = step.node.inputs[:2]
    if count(shapes[0]) < count(shapes[1]):
        wide, narrow, shapes = narrow, wide, shapes[::-1]
    ones = (1,) * (len(shapes[0]) - 2)
    if shapes[1] not in (shapes[0][:2], (*shapes[0][:2], *ones)):
        raise step.refusal(f"its inputs have shapes {shapes[0]} and {shapes[1]}")
    if len(shapes[1]) > 2:
        flat = f"{step.y}/gate"
        step.net.add("Flatten", f"{step.name}/gate", [narrow], [flat])
        narrow = flat
    step.net.add("Scale", step.name, [wide, narrow], [step.y], scale_param={"axis": 0})


@imports("Sum", "Max")
def several(step: Step) -> None:
    """Eltwise of any number of blobs of one shape."""
    if len(step.node.inputs) == 1:
        step.same()
        return
    fields = {"operation": MAX} if step.node.op == "Max" else {}
    step.net.add("Eltwise", step.name, step.node.inputs, [step.y], eltwise_param=fields)
