"""Fields of Caffe's forks in binary nets: renumbered where the schema knows them.

In a binary file a field is a number, and forks gave the same number to different
fields. A layer's type, and the field's wire type, tell which is meant. What remains
unknown is an error, or is left out with a warning by a lenient reader, as in text.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from netspec.errors import Place, SpecError, SpecWarning
from netspec.proto import LayerParameter, NetParameter
from netspec.spec.forks import fork_of
from netspec.spec.hints import LENIENT, thing
from netspec.spec.wire import (
    FIXED32,
    FIXED64,
    LENGTH,
    VARINT,
    Field,
    Message,
    encode_field,
    encode_varint,
)

Key = tuple[int, int]  # number and wire type

# By layer type: the name of a layer's field under a fork's number; and by that number,
# the names of the fields inside.
_LAYER_FIELDS: dict[str, dict[int, str]] = {
    "AnnotatedData": {100: "transform_param"},
    "BN": {45: "bn_param", 137: "bn_param"},
    "BatchNorm": {139: "batch_norm_param"},
    "Interp": {143: "interp_param"},
    "LSTM": {151: "recurrent_param"},
    "PSROIPooling": {153: "psroi_pooling_param"},
    "RNN": {151: "recurrent_param"},
    "ROIPooling": {150: "roi_pooling_param", 154: "roi_pooling_param"},
    "SmoothL1Loss": {148: "smooth_l1_loss_param"},
    "Upsample": {137: "upsample_param"},
}
_INNER_FIELDS: dict[tuple[str, int], dict[Key, str]] = {
    ("AnnotatedData", 100): {
        (208, LENGTH): "resize_param",
        (210, LENGTH): "emit_constraint",
        (211, VARINT): "crop_h",
        (212, VARINT): "crop_w",
        (213, LENGTH): "distort_param",
        (214, LENGTH): "expand_param",
    },
    ("BN", 45): {
        (1, LENGTH): "scale_filler",
        (2, LENGTH): "shift_filler",
        (3, VARINT): "bn_mode",
    },
    ("BatchNorm", 139): {
        (4, VARINT): "engine",
        (5, VARINT): "use_weight_bias",
        (6, VARINT): "bias_term",
        (7, LENGTH): "filler",
        (8, LENGTH): "bias_filler",
    },
}
# What forks call the fields of a layer that the schema does not know.
_NAMES: dict[Key, str] = {
    (145, VARINT): "forward_type",
    (146, VARINT): "backward_type",
    (147, VARINT): "forward_math",
    (148, VARINT): "backward_math",
    (150, VARINT): "cudnn_math_override",
    (155, LENGTH): "spatial_dropout_param resample_param",
    (156, LENGTH): "mn_grad_compress_param downsample_param",
    (158, LENGTH): "quantization_param lpq_loss_param",
    (159, LENGTH): "reorg_param flow_warp_param",
    (207, LENGTH): "video_data_param",
    (600, LENGTH): "region_loss_param",
    (603, LENGTH): "yolov3_param",
    (10000, LENGTH): "box_annotator_ohem_param",
}
_LAYERS, _TYPE = 100, 2
_LAYER: Descriptor = LayerParameter.DESCRIPTOR  # type: ignore[assignment]
_NET: Descriptor = NetParameter.DESCRIPTOR  # type: ignore[assignment]


def in_own_numbers(net: bytes) -> bytes:
    """A binary net with forks' fields under the schema's numbers; itself if none is.

    Raises:
        DataError: the bytes are no whole message.
    """
    message = Message.of(net, "net")
    parts, moved = [], False
    for field in message.fields():
        layer = None
        if (field.number, field.wire) == (_LAYERS, LENGTH):
            layer = _renumbered_layer(message.inside(field, "layer"))
        moved |= layer is not None
        parts.append(
            message.buffer[field.tag : field.stop]
            if layer is None
            else encode_field(_LAYERS, layer)
        )
    return b"".join(parts) if moved else net


def _renumbered_layer(layer: Message) -> bytes | None:
    """A layer with its fields renumbered, or None where it has none to renumber."""
    kind = _type_of(layer)
    if kind not in _LAYER_FIELDS:
        return None
    parts = []
    for field in layer.fields():
        name = _LAYER_FIELDS[kind].get(field.number)
        if name is None or field.wire != LENGTH:
            parts.append(bytes(layer.buffer[field.tag : field.stop]))
        else:
            inner = _INNER_FIELDS.get((kind, field.number), {})
            payload = _renumbered(layer.inside(field, name), inner)
            parts.append(encode_field(_LAYER.fields_by_name[name].number, payload))
    return b"".join(parts)


def _renumbered(settings: Message, names: dict[Key, str]) -> bytes:
    """A message of the settings *kind* with some fields under other numbers."""
    owner = _LAYER.fields_by_name[settings.kind].message_type
    assert owner is not None
    parts = []
    for field in settings.fields():
        name = names.get((field.number, field.wire))
        number = owner.fields_by_name[name].number if name else field.number
        payload = bytes(settings.payload(field))
        if field.wire == LENGTH:
            parts.append(encode_field(number, payload))
        else:
            parts.append(encode_varint(number << 3 | field.wire) + payload)
    return b"".join(parts)


def _type_of(layer: Message) -> str:
    found = [f for f in layer.fields() if (f.number, f.wire) == (_TYPE, LENGTH)]
    return str(layer.payload(found[-1]), "utf-8", "replace") if found else ""


class _Unknown(NamedTuple):
    """A field that the schema does not know, where it stands."""

    inside: Descriptor
    field: Field
    layer: tuple[str, str] | None


def check_fields(net: bytes, file: str, lenient: bool) -> None:
    """Refuse fields that the schema does not know, or warn of each kind of them once.

    Args:
        net: a whole binary net in the schema's numbers.

    Raises:
        SpecError: at the first such field, unless *lenient*.
    """
    seen = set()
    for unknown in _unknown(Message.of(net, "net"), _NET, None):
        kind = (unknown.inside.name, unknown.field.number)
        if kind in seen:
            continue
        seen.add(kind)
        fault = SpecError(*_words(unknown, lenient), place=Place(file))
        fault.at(layer=unknown.layer)
        if not lenient:
            raise fault
        warnings.warn(str(fault), SpecWarning, stacklevel=2)


def _unknown(
    message: Message, kind: Descriptor, layer: tuple[str, str] | None
) -> Iterator[_Unknown]:
    """Recurses as deep as messages of the schema nest."""
    if kind == _LAYER:
        layer = _title(message)
    for field in message.fields():
        known = kind.fields_by_number.get(field.number)
        if known is None or field.wire not in _wires(known):
            yield _Unknown(kind, field, layer)
        elif known.message_type is not None and known.name != "blobs":
            inner = message.inside(field, known.name)
            yield from _unknown(inner, known.message_type, layer)


def _title(layer: Message) -> tuple[str, str]:
    names = [f for f in layer.fields() if (f.number, f.wire) == (1, LENGTH)]
    name = str(layer.payload(names[-1]), "utf-8", "replace") if names else ""
    return name, _type_of(layer) or "?"


_WIRES = {
    FieldDescriptor.TYPE_FLOAT: FIXED32,
    FieldDescriptor.TYPE_DOUBLE: FIXED64,
    FieldDescriptor.TYPE_STRING: LENGTH,
    FieldDescriptor.TYPE_BYTES: LENGTH,
    FieldDescriptor.TYPE_MESSAGE: LENGTH,
}


def _wires(field: FieldDescriptor) -> tuple[int, ...]:
    """Wire types under which protobuf reads a field; repeated ones also packed."""
    wire = _WIRES.get(field.type, VARINT)
    return (wire,) if field.has_presence else (wire, LENGTH)


def _words(unknown: _Unknown, lenient: bool) -> tuple[str, str]:
    field = unknown.field
    names = ""
    if unknown.inside == _LAYER:
        names = _NAMES.get((field.number, field.wire), "")
    origin = " or ".join(f"{name} of {fork_of(name)}" for name in names.split())
    problem = f"{thing(unknown.inside)} has no field number {field.number}."
    where = f"It is {origin}." if origin else "A fork of Caffe may have added it."
    return problem, f"{where} {'It is left out.' if lenient else _HOW}"


_HOW = LENIENT.replace("Remove it, or leave", "Leave")
