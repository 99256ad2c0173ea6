"""Python values into the fields of a layer's message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf.message import Message

from netspec.proto import LayerParameter
from netspec.pycaffe.faults import BadValueError, UnknownFieldError
from netspec.registry import suggest

# Layers whose own message has another layer's name.
_SHARED = {"Deconvolution": "convolution_param", "Im2col": "convolution_param"}


def _own_fields() -> dict[str, str]:
    """The field that holds a layer type's own message, by type."""
    fields = LayerParameter.DESCRIPTOR.fields
    messages = [(f.message_type, f.name) for f in fields if f.name.endswith("_param")]
    return {m.name.removesuffix("Parameter"): name for m, name in messages if m}


_OWN = _own_fields() | _SHARED


def assign(layer: LayerParameter, name: str, value: Any) -> None:
    """Set a field of a layer, or of the layer's own message.

    ``num_output=4`` of a Convolution goes into its ``convolution_param``. Names that
    end in *param*, and what the own message does not have, are fields of the layer. A
    value that is no list fills a repeated field alone; a dict fills a message.

    Raises:
        UnknownFieldError: neither has the field.
        BadValueError: a value of another kind than the field's.
    """
    own = _OWN.get(layer.type)
    message: Message = layer
    if own and not name.endswith("param"):
        held: Message = getattr(layer, own)
        if name in held.DESCRIPTOR.fields_by_name:
            message = held
    try:
        assign_proto(message, name, value)
    except UnknownFieldError as error:
        raise error.at(layer=(layer.name, layer.type)) from None
    except (TypeError, ValueError) as error:
        if isinstance(error, BadValueError):
            raise
        raise BadValueError(
            f"{name} cannot be {value!r}: {error}.",
            "See the layer's message in protos/netspec.proto.",
            layer=(layer.name, layer.type),
        ) from None


def param_name_dict() -> dict[str, str]:
    """The field of a layer that holds each type's own message, without ``_param``."""
    return {kind: field.removesuffix("_param") for kind, field in _own_fields().items()}


def assign_proto(proto: Message, name: str, val: Any) -> None:
    """Set a field of any message as :func:`assign` does of a layer's.

    Raises:
        UnknownFieldError: it has no such field.
    """
    field = proto.DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        known = proto.DESCRIPTOR.fields_by_name
        kind = proto.DESCRIPTOR.name
        raise UnknownFieldError(f"no field {name!r} in {kind}.", suggest(name, known))
    if not field.has_presence:
        several = isinstance(val, list | tuple | np.ndarray)
        for each in val if several else [val]:
            _add(getattr(proto, name), each)
    elif isinstance(val, Mapping):
        _fill(getattr(proto, name), val)
    elif isinstance(val, Message):
        getattr(proto, name).CopyFrom(val)
    else:
        setattr(proto, name, _plain(val))


def _add(values: Any, value: Any) -> None:
    """One more value of a repeated field."""
    if isinstance(value, Mapping):
        _fill(values.add(), value)
    elif isinstance(value, Message):
        values.add().CopyFrom(value)
    else:
        values.append(_plain(value))


def _fill(message: Message, fields: Mapping[str, Any]) -> None:
    message.SetInParent()
    for name, value in fields.items():
        assign_proto(message, name, value)


def _plain(value: Any) -> Any:
    """A NumPy number as Python's."""
    return value.item() if isinstance(value, np.generic) else value
