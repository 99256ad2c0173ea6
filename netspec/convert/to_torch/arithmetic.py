"""Arithmetic between blobs, and with parameters."""

from __future__ import annotations

from netspec.convert.to_torch.emission import Emission, emits
from netspec.convert.to_torch.writer import number
from netspec.proto import EltwiseParameter
from netspec.shapes import Shape, canonical_axis


@emits("Eltwise")
def eltwise(e: Emission) -> None:
    """Sum with coefficients, product or maximum."""
    param = e.message.eltwise_param
    if param.operation == EltwiseParameter.MAX:
        said = e.bottoms[0]
        for other in e.bottoms[1:]:
            said = f"torch.maximum({said}, {other})"
    elif param.operation == EltwiseParameter.PROD:
        said = " * ".join(e.bottoms)
    else:
        coefficients = list(param.coeff) or [1.0] * len(e.bottoms)
        said = " + ".join(
            x if c == 1 else f"{number(c)} * {x}"
            for x, c in zip(e.bottoms, coefficients)
        )
    e.out(said)


def _ones_behind(e: Emission, axis: int, covered: Shape) -> tuple[int, ...]:
    if not covered:
        return ()
    return (1,) * (len(e.shape) - canonical_axis(axis, len(e.shape)) - len(covered))


def _spread(e: Emission, axis: int, word: str, index: int) -> str:
    """A parameter, or the second bottom, shaped so that it spreads over the first."""
    if len(e.bottoms) > 1 and index == 0:
        ones = _ones_behind(e, axis, e.node.bottom_shapes[1])
        return f"{e.bottoms[1]}[(...{', None' * len(ones)})]" if ones else e.bottoms[1]
    array = e.params[index - (len(e.bottoms) > 1)]
    shape = tuple(array.shape)
    array = array.reshape((*shape, *_ones_behind(e, axis, shape)))
    name = e.node.name if word == "scale" else f"{e.node.name}_{word}"
    return e.writer.tensor(name, array)


@emits("Scale")
def scale(e: Emission) -> None:
    """A product, and a sum where there is a bias."""
    param = e.message.scale_param
    said = f"{e.x} * {_spread(e, param.axis, 'scale', 0)}"
    if param.bias_term:
        said += f" + {_spread(e, param.axis, 'bias', 1)}"
    e.out(said)


@emits("Bias")
def bias(e: Emission) -> None:
    """A sum."""
    e.out(f"{e.x} + {_spread(e, e.message.bias_param.axis, 'bias', 0)}")


@emits("Parameter")
def parameter(e: Emission) -> None:
    """The parameter itself."""
    e.writer.line(f"{e.tops[0]} = {e.writer.tensor(e.node.name, e.params[0])}")


@emits("DummyData")
def dummy_data(e: Emission) -> None:
    """Constants."""
    fillers = e.message.dummy_data_param.data_filler
    for i, (top, shape) in enumerate(zip(e.tops, e.node.top_shapes)):
        filler = fillers[min(i, len(fillers) - 1)] if fillers else None
        value = number(filler.value if filler else 0)
        e.writer.line(f"{top} = torch.full({tuple(shape)}, {value})")


@emits("Silence")
def silence(e: Emission) -> None:
    """Nothing."""
