"""What is written into a layer's box and on its arrows."""

from __future__ import annotations

from typing import Any

from netspec.proto import LayerParameter, PoolingParameter

_CONVOLUTIONS = ("Convolution", "Deconvolution")
LEARNING = (*_CONVOLUTIONS, "InnerProduct")


def layer_lines(layer: LayerParameter, rates: bool = False) -> tuple[str, ...]:
    """Name, type, window and, with *rates*, the multipliers of its learning rate."""
    kind = layer.type
    if kind == "Pooling":
        kind = f"{kind} {PoolingParameter.PoolMethod.Name(layer.pooling_param.pool)}"
    lines = (layer.name, f"({kind})", *window_lines(layer))
    if rates and layer.type in LEARNING:
        lines += ("lr mult: {:.1f}, {:.1f}".format(*rate_multipliers(layer)),)
    return lines


def window_lines(layer: LayerParameter) -> tuple[str, ...]:
    """Kernel size, stride and pad of a layer that slides a window."""
    if layer.type == "Pooling":
        if layer.pooling_param.global_pooling:
            return ("kernel size: all",)
        param: Any = layer.pooling_param
    elif layer.type in _CONVOLUTIONS:
        param = layer.convolution_param
    else:
        return ()
    return (
        f"kernel size: {_extent(param, 'kernel_size', 'kernel', 1)}",
        f"stride: {_extent(param, 'stride', 'stride', 1)}",
        f"pad: {_extent(param, 'pad', 'pad', 0)}",
    )


def _extent(param: Any, field: str, axis: str, default: int) -> str:
    """One number, or one an axis as 3x5, however the message gives them."""
    axes = (f"{axis}_h", f"{axis}_w")
    if any(param.HasField(name) for name in axes):
        return "x".join(str(getattr(param, name)) for name in axes)
    value = getattr(param, field)
    several = [value] if isinstance(value, int) else list(value)
    return "x".join(map(str, several or [default]))


def rate_multipliers(layer: LayerParameter) -> tuple[float, float]:
    """lr_mult of weights and bias."""
    given = [param.lr_mult for param in layer.param][:2]
    first, second = (*given, 1.0, 1.0)[:2]
    return first, second


def output_label(layer: LayerParameter) -> str:
    """What is new about a layer's tops: channels, or the size of its batch."""
    if layer.type in _CONVOLUTIONS:
        return str(layer.convolution_param.num_output)
    if layer.type == "InnerProduct":
        return str(layer.inner_product_param.num_output)
    if layer.type in ("AnnotatedData", "Data"):
        return f"Batch {layer.data_param.batch_size}"
    return ""
