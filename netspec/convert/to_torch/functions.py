"""Functions of one number, and Dropout."""

from __future__ import annotations

from netspec.convert.to_torch.emission import Emission, emits
from netspec.convert.to_torch.writer import number
from netspec.layers.exp import log_of_base


def _plain(kind: str, expression: str) -> None:
    @emits(kind)
    def emit(e: Emission) -> None:
        e.out(expression.format(x=e.x))


for _kind, _expression in {
    "Sigmoid": "torch.sigmoid({x})",
    "TanH": "torch.tanh({x})",
    "AbsVal": "torch.abs({x})",
    "BNLL": "F.softplus({x}, threshold=80)",
    "ReLU6": "F.relu6({x})",
}.items():
    _plain(_kind, _expression)


@emits("ReLU")
def relu(e: Emission) -> None:
    """F.relu or F.leaky_relu."""
    slope = e.message.relu_param.negative_slope
    said = f"F.leaky_relu({e.x}, {number(slope)})" if slope else f"F.relu({e.x})"
    e.out(said)


@emits("PReLU")
def prelu(e: Emission) -> None:
    """nn.PReLU."""
    slope = e.params[0].reshape(-1)
    module = e.module(f"nn.PReLU({slope.size})", {"weight": slope})
    e.out(f"{module}({e.x})")


@emits("ELU")
def elu(e: Emission) -> None:
    """F.elu."""
    e.out(f"F.elu({e.x}, {number(e.message.elu_param.alpha)})")


@emits("Clip")
def clip(e: Emission) -> None:
    """torch.clamp."""
    param = e.message.clip_param
    e.out(f"torch.clamp({e.x}, {number(param.min)}, {number(param.max)})")


@emits("Swish")
def swish(e: Emission) -> None:
    """x · sigmoid(beta x)."""
    beta = e.message.swish_param.beta
    if beta == 1:
        e.out(f"F.silu({e.x})")
    else:
        e.out(f"{e.x} * torch.sigmoid({number(beta)} * {e.x})")


@emits("Threshold")
def threshold(e: Emission) -> None:
    """1 where x is greater."""
    e.out(f"({e.x} > {number(e.message.threshold_param.threshold)}).float()")


def _linear(x: str, scale: float, shift: float) -> str:
    scaled = x if scale == 1 else f"{number(scale)} * {x}"
    return scaled if shift == 0 else f"{scaled} + {number(shift)}"


@emits("Power")
def power(e: Emission) -> None:
    """(shift + scale x) ^ power."""
    param = e.message.power_param
    if e.layer.constant is not None:
        e.out(f"torch.full_like({e.x}, {number(e.layer.constant)})")
        return
    inner = _linear(e.x, param.scale, param.shift)
    if param.power == 1:
        e.out(inner if inner != e.x else f"{e.x}.clone()")
    else:
        e.out(f"torch.pow({inner}, {number(param.power)})")


@emits("Exp")
def exp(e: Emission) -> None:
    """base ^ (shift + scale x)."""
    inner = _linear(e.x, e.layer.scale, 0)
    factor = e.layer.factor
    e.out(
        f"torch.exp({inner})"
        if factor == 1
        else f"{number(factor)} * torch.exp({inner})"
    )


@emits("Log")
def log(e: Emission) -> None:
    """log(shift + scale x) to a base."""
    param = e.message.log_param
    base = log_of_base(param.base, "log_param.base")
    said = f"torch.log({_linear(e.x, param.scale, param.shift)})"
    e.out(said if base == 1 else f"{number(1 / base)} * {said}")


@emits("Dropout")
def dropout(e: Emission) -> None:
    """nn.Dropout, which does nothing in evaluation."""
    module = e.module(f"nn.Dropout({number(e.layer.ratio)})")
    e.out(f"{module}({e.x})")
