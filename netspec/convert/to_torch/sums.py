"""InnerProduct, Embed, Softmax, Reduction and ArgMax."""

from __future__ import annotations

from netspec.convert.to_torch.emission import Emission, emits
from netspec.convert.to_torch.writer import number
from netspec.proto import ReductionParameter
from netspec.shapes import canonical_axis


@emits("InnerProduct")
def inner_product(e: Emission) -> None:
    """nn.Linear over the flattened axes."""
    param = e.message.inner_product_param
    axis = canonical_axis(param.axis, len(e.shape))
    weight = e.params[0].T if param.transpose else e.params[0]
    state = dict(zip(("weight", "bias"), (weight, *e.params[1:])))
    said = f"nn.Linear({weight.shape[1]}, {weight.shape[0]}"
    said += ")" if param.bias_term else ", bias=False)"
    module = e.module(said, state)
    flat = e.x if axis == len(e.shape) - 1 else f"torch.flatten({e.x}, {axis})"
    e.out(f"{module}({flat})")


@emits("Embed")
def embed(e: Emission) -> None:
    """nn.Embedding, and a bias."""
    weight = e.params[0]
    rows, length = weight.shape
    module = e.module(f"nn.Embedding({rows}, {length})", {"weight": weight})
    said = f"{module}({e.x}.long())"
    if e.message.embed_param.bias_term:
        said += f" + {e.writer.tensor(f'{e.node.name}_bias', e.params[1])}"
    e.out(said)


@emits("Softmax")
def softmax(e: Emission) -> None:
    """F.softmax."""
    axis = canonical_axis(e.message.softmax_param.axis, len(e.shape))
    e.out(f"F.softmax({e.x}, {axis})")


@emits("Reduction")
def reduction(e: Emission) -> None:
    """A sum or mean over all axes from one on."""
    param = e.message.reduction_param
    first = canonical_axis(param.axis, len(e.shape))
    axes = tuple(range(first, len(e.shape)))
    said = {
        ReductionParameter.SUM: f"{e.x}.sum({axes})",
        ReductionParameter.ASUM: f"{e.x}.abs().sum({axes})",
        ReductionParameter.SUMSQ: f"{e.x}.square().sum({axes})",
        ReductionParameter.MEAN: f"{e.x}.mean({axes})",
    }[param.operation]
    e.out(said if param.coeff == 1 else f"{number(param.coeff)} * {said}")


@emits("ArgMax")
def arg_max(e: Emission) -> None:
    """A stable sort of the axis turned round: of equal values the later is first."""
    param, top = e.message.argmax_param, e.tops[0]
    has_axis = param.HasField("axis")
    axis = canonical_axis(param.axis, len(e.shape)) if has_axis else 1
    x = e.x if has_axis else f"{e.x}.flatten(1)"
    e.writer.line(f"turned = {x}.flip({axis})")
    ordered = f"torch.sort(turned, dim={axis}, descending=True, stable=True)"
    e.writer.line(f"values, {top} = {ordered}")
    e.writer.line(f"{top} = (turned.shape[{axis}] - 1 - {top}).float()")
    if has_axis:
        chosen = "values" if param.out_max_val else top
        e.writer.line(f"{top} = {chosen}.narrow({axis}, 0, {param.top_k})")
        return
    rows = f"[{top}, values]" if param.out_max_val else f"[{top}]"
    behind = ", None" * (len(e.top_shape) - 3)
    last = f"[(...{behind})]" if behind else ""
    e.writer.line(f"{top} = torch.stack({rows}, 1)[..., : {param.top_k}]{last}")
