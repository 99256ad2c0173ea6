"""Conv, ConvTranspose, the pools, LRN and Pad."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.convert.from_onnx.operators import Step, imports
from netspec.proto import PoolingParameter
from netspec.shapes import Shape, pooling_size, window_extent

MAX, AVE = PoolingParameter.MAX, PoolingParameter.AVE
CEIL, FLOOR = PoolingParameter.CEIL, PoolingParameter.FLOOR


def _ints(step: Step, name: str, axes: int, default: int) -> Shape:
    return tuple(int(n) for n in step.attrs.get(name, [default] * axes))


def _pads(
    step: Step, kernel: Shape, dilation: Shape, stride: Shape
) -> tuple[Shape, Shape]:
    """Zeros before and behind the image, those of a Pad operator in front included."""
    axes = len(kernel)
    mode = step.attrs.get("auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        return _same_pads(step, kernel, dilation, stride, mode == "SAME_LOWER")
    given = _ints(step, "pads", 2 * axes, 0)
    before, behind = step.pads.get(step.net.value(step.x), ((0,) * axes, (0,) * axes))
    begins = tuple(a + b for a, b in zip(given[:axes], before))
    return begins, tuple(a + b for a, b in zip(given[axes:], behind))


def _same_pads(
    step: Step, kernel: Shape, dilation: Shape, stride: Shape, more_first: bool
) -> tuple[Shape, Shape]:
    begins, ends = [], []
    for n, k, d, s in zip(step.shape[2:], kernel, dilation, stride):
        total = max(0, (-(-n // s) - 1) * s + window_extent(k, d) - n)
        small, large = total // 2, total - total // 2
        begins.append(large if more_first else small)
        ends.append(small if more_first else large)
    return tuple(begins), tuple(ends)


def _window(kernel: Shape, stride: Shape, pad: Shape) -> dict[str, Any]:
    """Fields for a window; those of two sides that differ one by one."""
    fields: dict[str, Any] = {}
    names = (
        ("kernel", "kernel_size", kernel),
        ("stride", "stride", stride),
        ("pad", "pad", pad),
    )
    for stem, both, values in names:
        neutral = {"kernel": None, "stride": 1, "pad": 0}[stem]
        if set(values) == {neutral}:
            continue
        if len(set(values)) == 1:
            fields[both] = values[0]
        else:
            fields[f"{stem}_h"], fields[f"{stem}_w"] = values
    return fields


def _convolution(step: Step, kind: str) -> None:
    weights = [step.known(1), step.known(2)]
    weight = weights[0]
    axes = weight.ndim - 2
    kernel = tuple(weight.shape[2:])
    stride, dilation = (
        _ints(step, "strides", axes, 1),
        _ints(step, "dilations", axes, 1),
    )
    begins, ends = _pads(step, kernel, dilation, stride)
    if begins != ends and not _harmless(step, kernel, stride, dilation, begins, ends):
        raise step.refusal(f"its padding differs before {begins} and behind {ends}")
    group = int(step.attrs.get("group", 1))
    filters = weight.shape[0] if kind == "Convolution" else weight.shape[1] * group
    fields: dict[str, Any] = {"num_output": filters}
    if axes == 2:
        window = _window(kernel, stride, begins)
        for name in ("kernel_size", "stride", "pad"):
            if name in window:
                window[name] = [window[name]]
        fields |= window
    else:
        fields |= {"kernel_size": kernel, "stride": stride, "pad": begins}
    if set(dilation) != {1}:
        fields["dilation"] = (
            [dilation[0]] if len(set(dilation)) == 1 else list(dilation)
        )
    fields |= {"group": group} if group > 1 else {}
    given = [w for w in weights if w is not None]
    fields |= {} if len(given) > 1 else {"bias_term": False}
    step.add(
        kind, convolution_param=fields, weights=given, sources=step.node.inputs[1:],
    )  # fmt: skip


def _harmless(
    step: Step,
    kernel: Shape,
    stride: Shape,
    dilation: Shape,
    begins: Shape,
    ends: Shape,
) -> bool:
    """Whether the extra padding behind is never reached by a window."""
    for n, k, s, d, p, e in zip(step.shape[2:], kernel, stride, dilation, begins, ends):
        extent = window_extent(k, d)
        if (n + p + e - extent) // s != (n + 2 * p - extent) // s:
            return False
    return True


@imports("Conv")
def conv(step: Step) -> None:
    """Convolution."""
    _convolution(step, "Convolution")


@imports("ConvTranspose")
def conv_transpose(step: Step) -> None:
    """Deconvolution."""
    if any(step.attrs.get("output_padding", ())) or "output_shape" in step.attrs:
        raise step.refusal("it pads its output")
    _convolution(step, "Deconvolution")


def _pool(step: Step, method: int) -> None:
    kernel = _ints(step, "kernel_shape", 2, 1)
    stride = _ints(step, "strides", 2, 1)
    if step.rank != 4 or set(_ints(step, "dilations", 2, 1)) != {1}:
        raise step.refusal("it is no plain pooling of images")
    if len([o for o in step.node.outputs if o]) > 1:
        raise step.refusal("it gives the places of the maxima")
    begins, ends = _pads(step, kernel, (1, 1), stride)
    if method == AVE:
        _check_average(step, begins, ends)
    mode = _round_mode(step, kernel, stride, begins, ends)
    fields = {"pool": method, **_window(kernel, stride, begins)}
    if mode == FLOOR:
        fields["round_mode"] = FLOOR
    step.add("Pooling", pooling_param=fields)


def _check_average(step: Step, begins: Shape, ends: Shape) -> None:
    """Caffe counts padding, but not what lies beyond it."""
    counts = bool(step.attrs.get("count_include_pad", 0))
    own = (
        any(_ints(step, "pads", 4, 0))
        or step.attrs.get("auto_pad", "NOTSET") != "NOTSET"
    )
    if not own or (counts and begins == ends and not step.attrs.get("ceil_mode", 0)):
        return
    behind = step.pads.get(step.net.value(step.x), ((0, 0), (0, 0)))[1]
    if not counts and begins == behind:  # what it pads itself lies behind the padding
        return
    raise step.refusal("it does not count its padding as Caffe does")


def _round_mode(
    step: Step, kernel: Shape, stride: Shape, begins: Shape, ends: Shape
) -> int:
    """Rounding under which Caffe has the same windows; up, where both have."""
    up = bool(step.attrs.get("ceil_mode", 0))
    wanted = []
    for n, k, s, b, e in zip(step.shape[2:], kernel, stride, begins, ends):
        span = n + b + e - k
        size = (-(-span // s) if up else span // s) + 1
        if up and (size - 1) * s >= n + b:
            size -= 1
        wanted.append(size)
    for mode in (CEIL, FLOOR):
        axes = zip(step.shape[2:], kernel, stride, begins)
        found = [pooling_size(*a, ceil=mode == CEIL, padded=any(begins)) for a in axes]
        if found == wanted:
            return mode
    raise step.refusal(
        f"no padding of Caffe's gives its {wanted[0]} x {wanted[1]} windows"
    )


@imports("MaxPool")
def max_pool(step: Step) -> None:
    """Pooling MAX."""
    if step.net.value(step.x) in step.pads:
        raise step.refusal("zeros are padded around it, which could be its maxima")
    _pool(step, MAX)


@imports("AveragePool")
def average_pool(step: Step) -> None:
    """Pooling AVE."""
    _pool(step, AVE)


@imports("GlobalAveragePool")
def global_average_pool(step: Step) -> None:
    """Pooling AVE over the whole image."""
    step.add("Pooling", pooling_param={"pool": AVE, "global_pooling": True})


@imports("GlobalMaxPool")
def global_max_pool(step: Step) -> None:
    """Pooling MAX over the whole image."""
    step.add("Pooling", pooling_param={"pool": MAX, "global_pooling": True})


@imports("LRN")
def lrn(step: Step) -> None:
    """LRN across channels."""
    attrs = step.attrs
    fields = {
        "local_size": int(attrs["size"]),
        "alpha": attrs.get("alpha", 1e-4),
        "beta": attrs.get("beta", 0.75),
        "k": attrs.get("bias", 1.0),
    }
    step.add("LRN", lrn_param=fields)


@imports("Pad")
def pad(step: Step) -> None:
    """Zeros around an image: they become the padding of the layer that reads it."""
    given = step.attrs.get("pads")
    pads = [int(n) for n in (step.known(1) if given is None else given)]
    value = step.known(2) if step.opset >= 11 else step.attrs.get("value", 0.0)
    zero = value is None or float(np.asarray(value).reshape(-1)[0]) == 0
    begins, ends = tuple(pads[2 : step.rank]), tuple(pads[step.rank + 2 :])
    outer = [*pads[:2], *pads[step.rank : step.rank + 2]]
    if step.attrs.get("mode", "constant") != "constant" or not zero or any(outer):
        raise step.refusal("it pads with something other than zeros around images")
    blob = f"{step.y}/padded"
    step.net.alias[step.y] = blob
    step.net.shapes[blob] = step.shape
    step.net.padded[blob] = step.net.value(step.x)
    step.pads[blob] = (begins, ends)
