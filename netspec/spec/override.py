"""Fields of a solver set from the command line: ``--set base_lr=0.001``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from google.protobuf.descriptor import FieldDescriptor

from netspec.errors import Place, SpecError, UsageError
from netspec.proto import SolverParameter
from netspec.registry import suggest
from netspec.spec.locate import Located
from netspec.spec.text import parse_text


def override(
    solver: Located[SolverParameter], settings: Sequence[str]
) -> Located[SolverParameter]:
    """The solver with ``FIELD=VALUE`` settings in place of what its file says.

    A repeated field takes values separated by commas.

    Raises:
        UsageError: no ``=``, an unknown field, or a value of the wrong kind.
    """
    message = SolverParameter()
    message.CopyFrom(solver.message)
    for setting in settings:
        _set(message, setting)
    return replace(solver, message=message)


def _set(message: SolverParameter, setting: str) -> None:
    name, equals, value = setting.partition("=")
    field = SolverParameter.DESCRIPTOR.fields_by_name.get(name)
    if not equals:
        raise UsageError(f"--set {setting!r} has no '='.", "Write --set FIELD=VALUE.")
    if field is None or field.type == FieldDescriptor.TYPE_MESSAGE:
        raise UsageError(
            f"--set: the solver has no plain field {name!r}.",
            suggest(name, SolverParameter.DESCRIPTOR.fields_by_name),
        )
    given = SolverParameter()
    try:
        text = _as_text(field, value)  # type: ignore[arg-type]
        parse_text(text, given, f"--set {setting}")
    except SpecError as error:
        raise UsageError(
            error.problem, error.remedy, place=Place(f"--set {setting}")
        ) from None
    message.ClearField(name)
    message.MergeFrom(given)


def _as_text(field: FieldDescriptor, value: str) -> str:
    values = [value] if field.has_presence else value.split(",")
    if field.type == FieldDescriptor.TYPE_STRING:
        bare = (v.strip("\"'") for v in values)
        quoted = (v.replace("\\", "\\\\").replace('"', '\\"') for v in bare)
        values = [f'"{v}"' for v in quoted]
    return "\n".join(f"{field.name}: {v}" for v in values)
