"""Single values of the text format: what a field's type accepts, and what it does not.

Each reader turns one token (with its sign) into a Python value or raises
:class:`BadValueError` with what the field takes instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from netspec.registry import suggest
from netspec.spec.tokens import NAME, NUMBER, STRING, not_utf8, unquote

Value = int | float | bool | str | bytes
Reader = Callable[[int, str, bool], Value]


class BadValueError(Exception):
    """A token does not fit its field; carries what would fit, and a remedy."""

    def __init__(self, takes: str = "", remedy: str = "", problem: str = "") -> None:
        super().__init__(takes or problem)
        self.takes = takes
        self.remedy = remedy
        self.problem = problem


_WHOLE = re.compile(r"0[xX][0-9A-Fa-f]+|0[0-7]*|[1-9][0-9]*")
_TRUE = {"true", "True", "t", "1"}
_FALSE = {"false", "False", "f", "0"}
_WORDS = {"inf": float("inf"), "infinity": float("inf"), "nan": float("nan")}


def _whole(word: str) -> int:
    """A decimal, 0x hexadecimal or 0-led octal number."""
    if word[:2] in ("0x", "0X"):
        return int(word, 16)
    return int(word, 8 if word[0] == "0" and len(word) > 1 else 10)


def read_int(low: int, high: int, kind: int, word: str, negative: bool) -> int:
    """A whole number from low to high."""
    takes = f"a whole number from {low} to {high}"
    # No number of 23 digits is in range, and int() of a very long one is slow.
    if kind != NUMBER or len(word) > 22 or not _WHOLE.fullmatch(word):
        raise BadValueError(takes)
    value = -_whole(word) if negative else _whole(word)
    if not low <= value <= high:
        raise BadValueError(takes)
    return value


def read_float(kind: int, word: str, negative: bool) -> float:
    """A decimal number, inf or nan; a float's trailing f is allowed."""
    value = _WORDS.get(word.lower()) if kind == NAME else None
    if kind == NUMBER and not re.match(r"0[xX]|0[0-9]+\Z", word):
        value = float(word.rstrip("fF"))
    if value is None:
        raise BadValueError("a decimal number, inf or nan")
    return -value if negative else value


def read_bool(kind: int, word: str, negative: bool) -> bool:
    """True or false in any of the format's spellings."""
    if kind in (NAME, NUMBER) and not negative and word in _TRUE | _FALSE:
        return word in _TRUE
    raise BadValueError("true or false")


def read_enum(enum: EnumDescriptor, kind: int, word: str, negative: bool) -> int:
    """One of an enum's names, or its number."""
    names = enum.values_by_name
    if kind == NAME and not negative and word in names:
        return names[word].number
    if kind == NUMBER and len(word) < 12 and _WHOLE.fullmatch(word):
        value = -_whole(word) if negative else _whole(word)
        if value in enum.values_by_number:
            return value
    near = suggest(word, names) if kind == NAME else ""
    known = ", ".join(names) if len(names) < 8 else f"a name of {enum.name}"
    raise BadValueError(f"one of {known}" if len(names) < 8 else known, near)


def read_string(kind: int, word: str, negative: bool) -> str:
    """One quoted text."""
    data = read_bytes(kind, word, negative)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        problem, remedy = not_utf8(data[error.start])
        raise BadValueError(problem=problem, remedy=remedy) from None


def read_bytes(kind: int, word: str, negative: bool) -> bytes:
    """One quoted text, as bytes."""
    if kind != STRING or negative:
        remedy = f'Put it in quotes: "{word}".' if kind in (NAME, NUMBER) else ""
        raise BadValueError("a text in quotes", remedy)
    try:
        return unquote(word)
    except ValueError as error:
        raise BadValueError(
            problem=f"{error} is no escape of the text format.",
            remedy=r"Write a backslash as \\.",
        ) from None


_READERS: dict[int, Reader] = {
    FieldDescriptor.TYPE_INT32: partial(read_int, -(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: partial(read_int, -(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: partial(read_int, 0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: partial(read_int, 0, 2**64 - 1),
    FieldDescriptor.TYPE_FLOAT: read_float,
    FieldDescriptor.TYPE_DOUBLE: read_float,
    FieldDescriptor.TYPE_BOOL: read_bool,
    FieldDescriptor.TYPE_STRING: read_string,
    FieldDescriptor.TYPE_BYTES: read_bytes,
}


def reader_of(field: FieldDescriptor) -> Reader:
    """The reader for a field that is not a message."""
    if field.enum_type is not None:
        return partial(read_enum, field.enum_type)
    return _READERS[field.type]
