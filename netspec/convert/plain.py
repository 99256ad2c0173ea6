"""Nets and solvers as plain values, for JSON and YAML, and back.

Field names and enum words are those of the prototxt; numbers are numbers, with as many
digits as float32 needs; a repeated field is a list.
"""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf import descriptor
from google.protobuf.message import Message

from netspec.convert.extras import load
from netspec.errors import DataError, Place, SpecError
from netspec.proto import NetParameter, SolverParameter
from netspec.registry import suggest
from netspec.spec import Located
from netspec.spec.locate import Places
from netspec.spec.upgrade import upgrade_net, upgrade_solver
from netspec.spec.write import float32_text

FD = descriptor.FieldDescriptor
M = TypeVar("M", bound=Message)
Plain = Any

_DEEPEST = 64
_SPECIAL = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def to_plain(message: Message) -> dict[str, Plain]:
    """A message as a dictionary, in the order of the schema."""
    ordered = sorted(message.ListFields(), key=lambda pair: pair[0].index)
    return {field.name: _values(field, value) for field, value in ordered}


def _values(field: FD, value: Any) -> Plain:
    if field.has_presence:
        return _value(field, value)
    return [_value(field, each) for each in value]


def _value(field: FD, value: Any) -> Plain:
    if field.message_type is not None:
        return to_plain(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    if field.type == FD.TYPE_FLOAT:
        text = float32_text(value)
        return text if text in _SPECIAL else float(text)
    if field.type == FD.TYPE_DOUBLE and not math.isfinite(value):
        return repr(value)
    if field.type == FD.TYPE_BYTES:
        return base64.b64encode(value).decode()
    return value


def from_plain(value: Plain, message: M, path: str = "", depth: int = 0) -> M:
    """Fill a message from a dictionary.

    Raises:
        SpecError: an unknown field, or a value of another kind; names the field.
    """
    where = path or "the file"
    if not isinstance(value, dict):
        problem = f"{where} is {_kind(value)} where a message's fields are expected."
        raise SpecError(problem, "Write its fields as names and values.")
    if depth > _DEEPEST:
        raise SpecError(
            f"{where} is nested too deeply.", f"{_DEEPEST} levels are the most."
        )
    fields = message.DESCRIPTOR.fields_by_name
    for name, held in value.items():
        if name not in fields:
            problem = f"{where} has no field {str(name)!r}."
            raise SpecError(problem, suggest(str(name), fields))
        inner = f"{path}.{name}" if path else str(name)
        _set(message, fields[name], held, inner, depth)
    return message


def _set(message: Message, field: Any, value: Plain, path: str, depth: int) -> None:
    if field.has_presence:
        if field.message_type is not None:
            held = getattr(message, field.name)
            held.SetInParent()
            from_plain(value, held, path, depth + 1)
        else:
            setattr(message, field.name, _scalar(field, value, path))
        return
    if not isinstance(value, list):
        raise SpecError(f"{path} is {_kind(value)}.", "It repeats: write a list.")
    held = getattr(message, field.name)
    for i, each in enumerate(value):
        if field.message_type is not None:
            from_plain(each, held.add(), f"{path}[{i}]", depth + 1)
        else:
            held.append(_scalar(field, each, f"{path}[{i}]"))


def _scalar(field: FD, value: Plain, path: str) -> Any:
    try:
        found = _converted(field, value)
    except (ValueError, TypeError):
        found = None
    if found is None:
        raise SpecError(
            f"{path} is {_kind(value)}: {value!r}.", f"It must be {_wanted(field)}."
        )
    return found


def _converted(field: FD, value: Plain) -> Any:
    if field.enum_type is not None:
        known = field.enum_type.values_by_name.get(value)
        return known.number if known else None
    if field.type == FD.TYPE_BYTES:
        return base64.b64decode(value, validate=True)
    if field.type in (FD.TYPE_FLOAT, FD.TYPE_DOUBLE):
        number = _SPECIAL.get(value, value) if isinstance(value, str) else value
        plain = isinstance(number, (int, float)) and not isinstance(number, bool)
        return float(number) if plain else None
    if field.type == FD.TYPE_STRING:
        return value if isinstance(value, str) else None
    if field.type == FD.TYPE_BOOL:
        return value if isinstance(value, bool) else None
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and _in_range(field, value) else None


def _in_range(field: FD, value: int) -> bool:
    bits = 64 if field.cpp_type in (FD.CPPTYPE_INT64, FD.CPPTYPE_UINT64) else 32
    if field.cpp_type in (FD.CPPTYPE_UINT32, FD.CPPTYPE_UINT64):
        return 0 <= value < 1 << bits
    return -(1 << bits - 1) <= value < 1 << bits - 1


def _wanted(field: FD) -> str:
    if field.enum_type is not None:
        return f"one of {', '.join(field.enum_type.values_by_name)}"
    kinds = {
        FD.TYPE_FLOAT: "a number",
        FD.TYPE_DOUBLE: "a number",
        FD.TYPE_BOOL: "true or false",
        FD.TYPE_STRING: "a text",
        FD.TYPE_BYTES: "a text in base64",
    }
    return kinds.get(field.type, "a whole number of its range")


def _kind(value: Plain) -> str:
    if value is None:
        return "empty"
    names = {dict: "a table", list: "a list", str: "a text", bool: "a truth value"}
    return names.get(type(value), "a number")


def read_plain(path: str | Path, yaml: bool) -> Plain:
    """The plain value in a JSON or YAML file.

    Raises:
        DataError: it is neither; with line and column.
    """
    if yaml:
        return _read_yaml(path)
    try:
        return json.loads(Path(path).read_text())
    except json.JSONDecodeError as error:
        place = Place(str(path), error.lineno, error.colno)
        raise DataError(f"{error.msg}.", "Correct the JSON.", place=place) from None
    except RecursionError:
        problem = "the JSON is nested too deeply."
        raise DataError(
            problem, "A net has few levels.", place=Place(str(path))
        ) from None


def _read_yaml(path: str | Path) -> Plain:
    yaml = load_yaml()
    try:
        return yaml.safe_load(Path(path).read_text())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = (
            Place(str(path), mark.line + 1, mark.column + 1)
            if mark
            else Place(str(path))
        )
        problem = f"{getattr(error, 'problem', None) or 'this is no YAML'}."
        raise DataError(problem, "Correct the YAML.", place=place) from None


def load_yaml() -> Any:
    """The yaml package."""
    return load("yaml", "YAML", "'netspec[yaml]'")


def read_plain_net(path: str | Path, yaml: bool) -> Located[NetParameter]:
    """A net from JSON or YAML, in today's spelling.

    Raises:
        SpecError: a field that is unknown or wrong.
    """
    message = _filled(path, yaml, NetParameter())
    return upgrade_net(Located(message, Places(str(path))))


def read_plain_spec(
    path: str | Path, yaml: bool
) -> Located[NetParameter] | Located[SolverParameter]:
    """A net or a solver: a net has layers.

    Raises:
        SpecError: a field that is unknown or wrong.
    """
    value = read_plain(path, yaml)
    if isinstance(value, dict) and not {"layer", "layers", "input"} & set(value):
        message = _filled(path, yaml, SolverParameter())
        return upgrade_solver(Located(message, Places(str(path))))
    return read_plain_net(path, yaml)


def _filled(path: str | Path, yaml: bool, message: M) -> M:
    try:
        return from_plain(read_plain(path, yaml), message)
    except SpecError as error:
        raise error.at(Place(str(path))) from None
