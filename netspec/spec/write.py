"""Messages as prototxt, in one form: readable, and the same for the same message.

Fields come in the order of protos/netspec.proto, two spaces a level. A small message
without messages inside stands on one line. Reading the text gives back the message.
"""

from __future__ import annotations

import struct
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_WIDTH = 88
_TEXTS = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)
_ESCAPES = {
    ord("\\"): "\\\\",
    ord('"'): '\\"',
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
    **{code: f"\\{code:03o}" for code in (*range(9), 11, 12, *range(14, 32), 127)},
}


def to_text(message: Message) -> str:
    """The canonical prototxt of a message; ends with a newline unless empty."""
    return "".join(line + "\n" for line in _lines(message, ""))


def _lines(message: Message, indent: str) -> list[str]:
    lines = []
    for field, value in _in_schema_order(message):
        values = [value] if field.has_presence else value
        if field.message_type is None:
            lines += [f"{indent}{field.name}: {_scalar(field, v)}" for v in values]
        else:
            for inner in values:
                lines += _block(field, inner, indent)
    return lines


def _in_schema_order(message: Message) -> list[tuple[FieldDescriptor, Any]]:
    return sorted(message.ListFields(), key=lambda pair: pair[0].index)


def _block(field: FieldDescriptor, inner: Message, indent: str) -> list[str]:
    lines = _lines(inner, indent + "  ")
    if not lines:
        return [f"{indent}{field.name} {{}}"]
    if field.name not in ("layer", "layers") and not _has_messages(inner):
        parts = " ".join(line.strip() for line in lines)
        line = f"{indent}{field.name} {{ {parts} }}"
        if len(line) <= _WIDTH:
            return [line]
    return [f"{indent}{field.name} {{", *lines, f"{indent}}}"]


def _has_messages(message: Message) -> bool:
    return any(f.message_type is not None for f, _ in message.ListFields())


def _scalar(field: FieldDescriptor, value: Any) -> str:
    if field.type in _TEXTS:
        return _quoted(value)
    if field.type == FieldDescriptor.TYPE_FLOAT:
        return float32_text(value)
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return repr(value).removesuffix(".0")
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return str(value).lower() if isinstance(value, bool) else str(value)


def float32_text(value: float) -> str:
    """The shortest decimal that a 32-bit float reads back as the same number."""
    for digits in range(6, 10):
        text = f"{value:.{digits}g}"
        if abs(value) == float("inf") or _as_float32(text) == value:
            return text
    return "nan"


def _as_float32(text: str) -> float:
    try:
        return struct.unpack("<f", struct.pack("<f", float(text)))[0]
    except OverflowError:  # rounded up beyond the largest float
        return float("inf")


def _quoted(value: str | bytes) -> str:
    if isinstance(value, bytes):
        # Byte by byte, so that any bytes come back the same.
        text = value.decode("latin-1").translate(_ESCAPES)
        text = "".join(c if c < "\x7f" else f"\\{ord(c):03o}" for c in text)
        return f'"{text}"'
    return '"' + value.translate(_ESCAPES) + '"'
