"""Matrices, means and batch normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.convert.from_onnx.operators import Step, imports
from netspec.proto import PoolingParameter

Array = Any


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
