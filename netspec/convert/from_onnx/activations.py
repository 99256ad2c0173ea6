"""Functions of one number, Dropout and Softmax."""

from __future__ import annotations

import numpy as np

from netspec.convert.from_onnx.operators import Step, imports
from netspec.shapes import count


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
