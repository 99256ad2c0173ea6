"""Operators that only rearrange."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.convert.from_onnx.operators import Step, imports
from netspec.shapes import Shape, count


@imports("Concat")
def concat(step: Step) -> None:
    """Concat."""
    axis = step.axis(1)
    fields = {} if axis == 1 else {"axis": axis}
    step.net.add("Concat", step.name, step.node.inputs, [step.y], concat_param=fields)


@imports("Split")
def split(step: Step) -> None:
    """Slice."""
    axis = step.axis(0)
    sizes = step.attrs.get("split") if step.opset < 13 else step.known(1)
    fields: dict[str, Any] = {} if axis == 1 else {"axis": axis}
    if sizes is not None:
        fields["slice_point"] = [int(n) for n in np.cumsum(sizes)[:-1]]
    step.net.add("Slice", step.name, [step.x], step.node.outputs, slice_param=fields)


@imports("Flatten")
def flatten(step: Step) -> None:
    """Flatten; nothing, where there is nothing to flatten."""
    if step.axis(1) != 1:
        raise step.refusal("it flattens from another axis than 1")
    if step.rank == 2:
        step.same()
    else:
        step.add("Flatten")


@imports("Reshape")
def reshape(step: Step) -> None:
    """Reshape, or Flatten where it is one."""
    dims = [int(n) for n in step.known(1)]
    whole = _shape_of(step.shape, dims)
    if step.rank > 2 and whole == (step.shape[0], count(step.shape, 1)):
        step.add("Flatten")
    elif whole == step.shape:
        step.same()
    else:
        batch = step.net.value(step.input(1)) in step.net.computed
        kept = batch and whole[:1] == step.shape[:1]
        final = (0, *whole[1:]) if kept else _open(dims, whole)
        step.add("Reshape", reshape_param={"shape": final})


def _open(dims: list[int], whole: Shape) -> list[int]:
    """The dims as they are written, a -1 included, but a 0 only at the front.

    Caffe's 0 and ONNX's mean the same; netspec's shapes are all known here, so that
    what is not the batch may be a number.
    """
    return [
        d if d == -1 or (d == 0 and not i) else n
        for i, (d, n) in enumerate(zip(dims, whole))
    ]


def _shape_of(shape: Shape, dims: list[int]) -> Shape:
    dims = [shape[i] if n == 0 else n for i, n in enumerate(dims)]
    if -1 in dims:
        rest = count(shape) // max(1, -count(tuple(dims)))
        dims[dims.index(-1)] = rest
    return tuple(dims)


@imports("Squeeze", "Unsqueeze")
def squeeze(step: Step) -> None:
    """Reshape, by axes of extent 1."""
    axes: Any = step.attrs.get("axes") if step.opset < 13 else step.known(1)
    shape = list(step.shape)
    if step.node.op == "Unsqueeze":
        final = step.rank + len(axes)
        for axis in sorted(int(a) % final for a in axes):
            shape.insert(axis, 1)
    else:
        gone = range(step.rank) if axes is None else [int(a) % step.rank for a in axes]
        shape = [n for i, n in enumerate(shape) if not (i in gone and n == 1)]
    dims = [0 if i == 0 and n == step.shape[0] else n for i, n in enumerate(shape)]
    step.add("Reshape", reshape_param={"shape": dims})


@imports("Transpose")
def transpose(step: Step) -> None:
    """Permute, which is no layer of Caffe itself; nothing, where nothing moves."""
    order = [int(a) for a in step.attrs.get("perm", range(step.rank)[::-1])]
    if order == sorted(order):
        step.same()
    else:
        step.add("Permute", permute_param={"order": order})
