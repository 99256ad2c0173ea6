"""InnerProduct, Embed, Softmax, ArgMax and Reduction."""

from __future__ import annotations

import numpy as np

from netspec.convert.to_onnx.emission import Emission, emits
from netspec.convert.to_onnx.shaping import reshape
from netspec.proto import ReductionParameter
from netspec.shapes import canonical_axis

INT64, FLOAT = 7, 1


@emits("InnerProduct")
def inner_product(e: Emission) -> None:
    """Gemm over the flattened axes; the axes before them are put back behind it."""
    param = e.message.inner_product_param
    axis = canonical_axis(param.axis, len(e.shape))
    x = e.bottoms[0]
    if axis != 1 or len(e.shape) != 2:
        x = e.op("Flatten", [x], axis=axis)
    inputs = [x, e.weight(0, "weight")]
    if param.bias_term:
        inputs.append(e.weight(1, "bias"))
    transposed = 0 if param.transpose else 1
    if axis == 1:
        e.out("Gemm", inputs, transB=transposed)
        return
    rows = e.op("Gemm", inputs, transB=transposed)
    reshape(e, rows, e.tops[0], kept=0)


@emits("Embed")
def embed(e: Emission) -> None:
    """Gather rows of the matrix."""
    rows = e.op("Cast", [e.bottoms[0]], to=INT64)
    inputs = [e.weight(0, "weight"), rows]
    if not e.message.embed_param.bias_term:
        e.out("Gather", inputs, axis=0)
        return
    e.out("Add", [e.op("Gather", inputs, axis=0), e.weight(1, "bias")])


@emits("Softmax")
def softmax(e: Emission) -> None:
    """Softmax along the layer's axis."""
    axis = canonical_axis(e.message.softmax_param.axis, len(e.shape))
    e.out("Softmax", e.bottoms, axis=axis)


@emits("Reduction")
def reduction(e: Emission) -> None:
    """A reduction over all axes from one on, times a factor."""
    param = e.message.reduction_param
    op = {
        ReductionParameter.SUM: "ReduceSum",
        ReductionParameter.ASUM: "ReduceL1",
        ReductionParameter.SUMSQ: "ReduceSumSquare",
        ReductionParameter.MEAN: "ReduceMean",
    }[param.operation]
    first = canonical_axis(param.axis, len(e.shape))
    axes = e.ints(*range(first, len(e.shape)))
    if param.coeff == 1:
        e.out(op, [e.bottoms[0], axes], keepdims=0)
        return
    reduced = e.op(op, [e.bottoms[0], axes], keepdims=0)
    e.out("Mul", [reduced, e.number(param.coeff)])


@emits("ArgMax")
def arg_max(e: Emission) -> None:
    """TopK along the axis, or over all values of an image."""
    param = e.message.argmax_param
    if param.HasField("axis"):
        axis, x = canonical_axis(param.axis, len(e.shape)), e.bottoms[0]
    else:
        axis, x = 1, e.op("Flatten", e.bottoms, axis=1)
    values, indices = _largest(e, x, axis)
    if param.HasField("axis"):
        _along_axis(e, values, indices)
        return
    rows = [e.op("Cast", [indices], to=FLOAT)]
    rows += [values] if param.out_max_val else []
    stacked = [e.op("Unsqueeze", [row, e.ints(1)]) for row in rows]
    joined = stacked[0] if len(stacked) == 1 else e.op("Concat", stacked, axis=1)
    if len(e.top_shape) == 3:
        e.out("Identity", [joined])
        return
    e.out("Unsqueeze", [joined, e.ints(*range(3, len(e.top_shape)))])


def _largest(e: Emission, x: str, axis: int) -> tuple[str, str]:
    """The largest values and their places; of equal ones the later first, as Caffe.

    TopK takes the earlier, so it is given the axis backwards.
    """
    last = 1 << 31
    turned = e.op("Slice", [x, e.ints(-1), e.ints(-last), e.ints(axis), e.ints(-1)])
    values = e.builder.reserve(f"{e.node.name}/values")
    places = e.builder.reserve(f"{e.node.name}/places")
    inputs = [turned, e.ints(e.message.argmax_param.top_k)]
    e.several("TopK", inputs, [values, places], axis=axis)
    extent = e.op("Shape", [x], start=axis, end=axis + 1)
    end = e.op("Sub", [extent, e.ints(1)])
    return values, e.op("Sub", [end, places])


def _along_axis(e: Emission, values: str, indices: str) -> None:
    if e.message.argmax_param.out_max_val:
        e.out("Identity", [values])
    else:
        e.out("Cast", [indices], to=FLOAT)


@emits("Im2col")
def im2col(e: Emission) -> None:
    """A convolution whose filters copy one place of the window each."""
    geo = e.layer.geometry(e.node.bottom_shapes)
    taps = int(np.prod(geo.kernel))
    channels = e.shape[1]
    filters = np.tile(np.eye(taps, dtype=np.float32), (channels, 1))
    filters = filters.reshape(channels * taps, 1, *geo.kernel)
    e.out(
        "Conv",
        [e.bottoms[0], e.builder.weight(f"{e.node.name}.places", filters)],
        group=channels,
        kernel_shape=list(geo.kernel),
        strides=list(geo.stride),
        pads=[*geo.pad, *geo.pad],
        dilations=list(geo.dilation),
    )
