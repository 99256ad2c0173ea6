"""Which layer types each target can express, as a table made from the code itself."""

from __future__ import annotations

from netspec.convert.losses import MEASURES, PREDICTIONS
from netspec.convert.refusal import unknown_layer
from netspec.convert.to_keras.emission import EMITTERS as KERAS
from netspec.convert.to_keras.export import FAMILIES as KERAS_FAMILIES
from netspec.convert.to_onnx.emission import EMITTERS as ONNX
from netspec.convert.to_onnx.export import FAMILIES as ONNX_FAMILIES
from netspec.convert.to_onnx.export import TRANSPARENT
from netspec.convert.to_torch.emission import EMITTERS as TORCH
from netspec.convert.to_torch.export import FAMILIES as TORCH_FAMILIES
from netspec.layers import LAYERS

# The emitters register when their modules are loaded.
LOADED = (*ONNX_FAMILIES, *TORCH_FAMILIES, *KERAS_FAMILIES)

_TARGETS = (("ONNX", ONNX), ("PyTorch", TORCH), ("Keras", KERAS))


def support_table() -> str:
    """A Markdown table: a row for every layer type."""
    head = ("Layer", *(name for name, _ in _TARGETS))
    rows = [_row(kind) for kind in LAYERS]
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in lines)


def _row(kind: str) -> tuple[str, ...]:
    fate = _fate(kind)
    if fate:
        return (kind, *(fate,) * len(_TARGETS))
    return (kind, *(_cell(kind, name, table) for name, table in _TARGETS))


def _fate(kind: str) -> str:
    """What becomes of a layer before any target sees it; "": it stays."""
    if kind == "DummyData":
        return "Input, or a constant"
    if LAYERS[kind].is_source:
        return "Input"
    if kind in PREDICTIONS:
        return f"{PREDICTIONS[kind] or 'its first bottom'} in its place"
    if kind in MEASURES or LAYERS[kind].is_loss:
        return "left out"
    return ""


def _cell(kind: str, name: str, table: object) -> str:
    if kind in table:  # type: ignore[operator]
        return "yes"
    if kind in TRANSPARENT:
        return "left out"
    return f"no: {unknown_layer(kind, name).reason.rstrip('.')}"
