"""What to say about a field or a value that the schema does not know.

Most such faults are a typing slip, a field one level too high or too low, a file of
the other kind, an old spelling in a new layer, or a fork of Caffe.
"""

from __future__ import annotations

import difflib

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from netspec.proto import (
    LayerParameter,
    NetParameter,
    SolverParameter,
    V0LayerParameter,
    V1LayerParameter,
)
from netspec.registry import suggest
from netspec.spec.forks import fork_of
from netspec.spec.values import BadValueError

LENIENT = "Remove it, or leave out all such fields by --lenient."

_NET, _SOLVER = NetParameter.DESCRIPTOR, SolverParameter.DESCRIPTOR
_LAYER, _V1 = LayerParameter.DESCRIPTOR, V1LayerParameter.DESCRIPTOR
_LAYERS = {_LAYER, _V1}
_THINGS = {
    _NET: "a net",
    _SOLVER: "a solver",
    _LAYER: "a layer",
    _V1: "an old layer ('layers')",
    V0LayerParameter.DESCRIPTOR: "an old layer ('layers { layer')",
}


def layer_of(message: Message) -> tuple[str, str] | None:
    """Name and type of a layer, as errors show them; None for other messages."""
    if isinstance(message, V1LayerParameter) and message.name:
        return message.name, V1LayerParameter.LayerType.Name(message.type)
    if isinstance(message, LayerParameter) and message.name:
        return message.name, message.type or "?"
    return None


def thing(descriptor: Descriptor) -> str:
    """A message in words: "a net", "pooling_param"."""
    if descriptor in _THINGS:
        return _THINGS[descriptor]
    owners = {f.name for f in _LAYER.fields if f.message_type == descriptor}
    return min(owners, key=len) if owners else descriptor.name


def misplaced_field(
    inside: Descriptor, name: str, opened_on: int
) -> tuple[str, str] | None:
    """Problem and remedy for a field that shows the file or its braces to be wrong.

    Args:
        inside: the message that the field was written in, which does not have it.
        name: the field.
        opened_on: the line on which that message was opened; 0 at the top.
    """
    return _other_kind_of_file(inside, name) or _brace_forgotten(
        inside, name, opened_on
    )


def unknown_field(inside: Descriptor, name: str) -> tuple[str, str]:
    """Problem and remedy for a field that *inside* does not have."""
    return f"{thing(inside)} has no field {name!r}.", _remedy(inside, name)


def left_out(inside: Descriptor, name: str) -> tuple[str, str]:
    """The same where the field is only warned of."""
    fork = fork_of(name)
    origin = f" It comes from {fork}." if fork else ""
    return f"{thing(inside)} has no field {name!r}.", f"It is left out.{origin}"


def _other_kind_of_file(inside: Descriptor, name: str) -> tuple[str, str] | None:
    if inside == _NET and name in _SOLVER.fields_by_name:
        return (
            f"this looks like a solver: {name!r} is a field of solvers, not of nets.",
            "Give the net's own file here, or pass this one as --solver.",
        )
    if inside == _SOLVER and name in _NET.fields_by_name:
        return (
            f"this looks like a net: {name!r} is a field of nets, not of solvers.",
            "Give the solver's own file here; it names this one in its field 'net'.",
        )
    return None


def _brace_forgotten(
    inside: Descriptor, name: str, opened_on: int
) -> tuple[str, str] | None:
    if not opened_on or name not in ("layer", "layers"):
        return None
    return (
        f"{name!r} stands inside {thing(inside)}.",
        f"The '{{' on line {opened_on} is not closed before it: add the missing '}}'.",
    )


def _remedy(inside: Descriptor, name: str) -> str:
    near = difflib.get_close_matches(name, inside.fields_by_name, n=1, cutoff=0.75)
    fork = fork_of(name)
    if near and not fork:
        return f"Did you mean {near[0]!r}?"
    homes = [] if fork else _homes(inside, name)
    if homes:
        return f"It is a field of {', '.join(homes)}."
    if fork:
        return f"It comes from {fork}; netspec does not know it. {LENIENT}"
    remedy = suggest(name, inside.fields_by_name)
    if len(remedy) > 400:  # all the fields of a net or layer help nobody
        return "protos/netspec.proto lists the fields there are."
    return remedy


def _homes(inside: Descriptor, name: str) -> list[str]:
    """Messages within, or layers beside, that do have the field."""
    if inside in _LAYERS or inside == _NET:
        nested = [(f.name, f.message_type) for f in inside.fields]
        found = [f for f, inner in nested if inner and name in inner.fields_by_name]
        return found if len(found) < 5 else []
    if inside == _SOLVER or name not in _LAYER.fields_by_name:
        return []
    return ["the layer itself"]


def wrong_value(
    field: FieldDescriptor, asked: str, bad: BadValueError
) -> tuple[str, str]:
    """Problem and remedy for a value that its field does not take."""
    if bad.problem:
        return bad.problem, bad.remedy
    shown = asked if len(asked) < 60 else asked[:56] + "..."
    problem = f"{field.name} takes {bad.takes}, not {shown}."
    return problem, _dialect(field, asked) or bad.remedy


def _dialect(field: FieldDescriptor, asked: str) -> str:
    """The remedy where an old type stands in a new layer, or the reverse."""
    if field.name != "type" or field.containing_type not in _LAYERS:
        return ""
    old = asked in V1LayerParameter.LayerType.keys()  # noqa: SIM118
    if field.containing_type == _LAYER and old:
        return "That is the old spelling: write 'layers' for 'layer', or today's type."
    if field.containing_type == _V1 and asked[:1] in "\"'":
        return f"A type in quotes belongs to 'layer': write layer {{ type: {asked} }}."
    return ""
