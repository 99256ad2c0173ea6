"""Everything that is no window: activations, arithmetic, sums, shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.convert.from_onnx.operators import Step, imports
from netspec.proto import EltwiseParameter, PoolingParameter
from netspec.shapes import Shape, count

Array = Any
SUM, PROD, MAX = EltwiseParameter.SUM, EltwiseParameter.PROD, EltwiseParameter.MAX


def _plain(op: str, kind: str) -> None:
    @imports(op)
    def run(step: Step) -> None:
        step.add(kind)


for _op, _kind in {
    "Relu": "ReLU",
    "Sigmoid": "Sigmoid",
    "Tanh": "TanH",
    "Abs": "AbsVal",
    "Softplus": "BNLL",
    "Exp": "Exp",
    "Log": "Log",
}.items():
    _plain(_op, _kind)


@imports("Identity")
def identity(step: Step) -> None:
    """Nothing."""
    step.same()


@imports("Cast")
def cast(step: Step) -> None:
    """Nothing, where the values stay float32."""
    if int(step.attrs["to"]) != 1:
        raise step.refusal("it makes something other than float32")
    step.same()


@imports("Dropout")
def dropout(step: Step) -> None:
    """Dropout, with its ratio."""
    ratio = step.attrs.get("ratio", 0.5) if step.opset < 12 else step.known(1)
    value = 0.5 if ratio is None else float(np.asarray(ratio))
    step.add("Dropout", dropout_param={"dropout_ratio": value})


@imports("LeakyRelu")
def leaky_relu(step: Step) -> None:
    """ReLU with a slope."""
    step.add("ReLU", relu_param={"negative_slope": step.attrs.get("alpha", 0.01)})


@imports("Elu")
def elu(step: Step) -> None:
    """ELU."""
    step.add("ELU", elu_param={"alpha": step.attrs.get("alpha", 1.0)})


@imports("PRelu")
def prelu(step: Step) -> None:
    """PReLU."""
    slope = step.known(1)
    values = np.asarray(slope).reshape(-1)
    if values.size not in (1, step.shape[1]):
        raise step.refusal("its slopes are not one a channel")
    shared = values.size == 1
    step.add(
        "PReLU", prelu_param={"channel_shared": True} if shared else {},
        weights=[values.reshape(()) if shared else values], sources=[step.input(1)],
    )  # fmt: skip


@imports("Clip")
def clip(step: Step) -> None:
    """Clip."""
    limits = np.finfo(np.float32)
    if step.opset < 11:
        low, high = step.attrs.get("min"), step.attrs.get("max")
    else:
        low, high = step.known(1), step.known(2)
    fields = {
        "min": float(limits.min if low is None else low),
        "max": float(limits.max if high is None else high),
    }
    step.add("Clip", clip_param=fields)


@imports("Softmax")
def softmax(step: Step) -> None:
    """Softmax along one axis."""
    axis = step.axis(-1 if step.opset >= 13 else 1)
    if step.opset < 13 and axis != step.rank - 1 and count(step.shape, axis + 1) > 1:
        raise step.refusal("it is over several axes at once")
    step.add("Softmax", softmax_param={} if axis == 1 else {"axis": axis})


@imports("LogSoftmax")
def log_softmax(step: Step) -> None:
    """Softmax, then Log."""
    axis = step.axis(-1 if step.opset >= 13 else 1)
    inner = f"{step.y}/softmax"
    fields = {} if axis == 1 else {"axis": axis}
    step.net.add(
        "Softmax", f"{step.name}/softmax", [step.x], [inner], softmax_param=fields
    )
    step.net.add("Log", step.name, [inner], [step.y])


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


@imports("BatchNormalization")
def batch_normalization(step: Step) -> None:
    """BatchNorm by stored statistics, and Scale unless it changes nothing."""
    scale, bias, mean, variance = (step.known(i) for i in range(1, 5))
    plain = np.all(scale == 1) and not np.any(bias)
    top = step.y if plain else f"{step.y}/normalised"
    name = step.name if plain else f"{step.name}/bn"
    fields = {"eps": step.attrs.get("epsilon", 1e-5)}
    statistics = [mean, variance, np.ones(1, np.float32)]
    step.net.add(
        "BatchNorm", name, [step.x], [top], weights=statistics, batch_norm_param=fields
    )
    if not plain:
        step.net.add(
            "Scale", step.name, [top], [step.y], weights=[scale, bias],
            scale_param={"bias_term": True},
        )  # fmt: skip


@imports("Gemm")
def gemm(step: Step) -> None:
    """InnerProduct."""
    attrs = step.attrs
    if (
        attrs.get("transA", 0)
        or attrs.get("alpha", 1.0) != 1
        or attrs.get("beta", 1.0) != 1
    ):
        raise step.refusal("it has transA, alpha or beta")
    weight = step.known(1)
    inner_product(
        step, weight if attrs.get("transB", 0) else weight.T, step.known(2), 1
    )


@imports("MatMul")
def mat_mul(step: Step) -> None:
    """InnerProduct over the last axis."""
    weight = step.known(1)
    if weight.ndim != 2:
        raise step.refusal("it multiplies by something other than a matrix")
    inner_product(step, weight.T, None, step.rank - 1)


def inner_product(step: Step, weight: Array, bias: Array | None, axis: int) -> None:
    """Add an InnerProduct over the axes from *axis* on; weight (outputs, inputs)."""
    fields: dict[str, Any] = {"num_output": weight.shape[0]}
    fields |= {} if axis == 1 else {"axis": axis}
    weights = [weight]
    if bias is None:
        fields["bias_term"] = False
    else:
        weights.append(np.broadcast_to(bias, (weight.shape[0],)))
    step.add(
        "InnerProduct", inner_product_param=fields, weights=weights,
        sources=step.node.inputs[1:],
    )  # fmt: skip


@imports("ReduceMean")
def reduce_mean(step: Step) -> None:
    """The mean over H and W: global pooling."""
    axes = step.attrs.get("axes") if step.opset < 18 else step.known(1)
    found = {int(a) % step.rank for a in (axes if axes is not None else ())}
    if step.rank != 4 or found != {2, 3}:
        raise step.refusal("its mean is not over height and width")
    keeps = bool(step.attrs.get("keepdims", 1))
    pool = {"pool": PoolingParameter.AVE, "global_pooling": True}
    if keeps:
        step.add("Pooling", pooling_param=pool)
        return
    inner = f"{step.y}/pooled"
    step.net.add("Pooling", f"{step.name}/pool", [step.x], [inner], pooling_param=pool)
    step.net.add("Flatten", step.name, [inner], [step.y])


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
