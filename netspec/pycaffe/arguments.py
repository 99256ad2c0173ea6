"""The two forms in which pycaffe's Net is called, made one."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath
from typing import Any, NamedTuple

from netspec.errors import UsageError
from netspec.proto import TEST, TRAIN

PHASES = {TRAIN: "train", TEST: "test"}
_FORMS = (
    "Call Net(file, phase), with weights=, level= or stages= as you need, or "
    "Net(file, weights, phase)."
)
_NAMED = ("network_file", "phase", "level", "stages", "weights")
_OLD = ("network_file", "weights", "phase")  # names of the second form are ours
_OWN = "allow_python"  # by name only, in both forms


class Request(NamedTuple):
    """What a net is made of."""

    network_file: str
    phase: str
    level: int
    stages: tuple[str, ...]
    weights: str | None
    allow_python: bool | None


def read_arguments(args: Sequence[Any], named: dict[str, Any]) -> Request:
    """Sort out the arguments of ``Net(...)``.

    Raises:
        UsageError: they fit neither form.
    """
    second_is_file = len(args) > 1 and isinstance(args[1], str | bytes | PathLike)
    allowed = named.get(_OWN)
    names = _OLD if second_is_file else _NAMED
    given = dict(zip(names, args))
    twice = given.keys() & named.keys()
    strange = named.keys() - {*_NAMED, _OWN}
    if len(args) > len(names) or twice or strange:
        raise UsageError(f"Net cannot be called with {_said(args, named)}.", _FORMS)
    given |= named
    if "network_file" not in given or given.get("phase") not in PHASES:
        raise UsageError(f"Net cannot be called with {_said(args, named)}.", _FORMS)
    weights = given.get("weights")
    return Request(
        fspath(given["network_file"]),
        PHASES[given["phase"]],
        given.get("level", 0),
        tuple(given.get("stages") or ()),
        None if weights is None else fspath(weights),
        allowed,
    )


def _said(args: Sequence[Any], named: dict[str, Any]) -> str:
    said = [*map(repr, args), *(f"{name}={value!r}" for name, value in named.items())]
    return f"({', '.join(said)})"
