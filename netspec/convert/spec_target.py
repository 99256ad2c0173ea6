"""The targets that hold a net or a solver: JSON, YAML, and prototxt anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from netspec.convert.caffe_files import write_text
from netspec.convert.certificate import Certificate, Trial, hash_file, tools
from netspec.convert.compare import Difference
from netspec.convert.plain import load_yaml, read_plain_spec, to_plain
from netspec.convert.request import Outcome, Request, target
from netspec.convert.source import Kind, kind_of, read_any_net
from netspec.spec import to_text
from netspec.spec.kind import read_spec

Write = Callable[[Message], str]


def _read(path: str | Path) -> Message:
    """A net or solver from any file that holds one; blobs are left behind."""
    kind = kind_of(path)
    if kind in (Kind.JSON, Kind.YAML):
        return read_plain_spec(path, kind is Kind.YAML).message
    if kind is Kind.ONNX:
        from netspec.convert.from_onnx import import_onnx

        return import_onnx(path).net.message
    if kind is Kind.PROTOTXT:
        return read_spec(path).message
    return read_any_net(path).message


def _convert(request: Request, write: Write) -> Outcome:
    message = _read(request.source)
    write_text(request.out, write(message))
    if not request.verify:
        return Outcome((request.out,))
    return Outcome((request.out,), (), _certificate(request, message))


def _certificate(request: Request, message: Message) -> Certificate:
    """Read back what was written: the message must be the same, field for field."""
    again = _read(request.out)
    parts = getattr(message, "layer", None)
    others = getattr(again, "layer", [])
    if not parts:
        parts, others = [message], [again]
    return Certificate(
        Path(request.source).name,
        request.out.name,
        (hash_file(request.source),),
        (hash_file(request.out),),
        tools("protobuf"),
        (
            Trial(
                "every field, read back",
                {},
                tuple(_compared(parts, others, message == again)),
            ),
        ),
        tolerance=0.0,
    )


def _compared(parts: Any, others: Any, whole: bool) -> list[Difference]:
    found = [
        Difference(
            getattr(a, "name", "") or "solver", (), problem="" if a == b else "differs"
        )
        for a, b in zip(parts, others)
    ]
    return [*found, Difference("the whole", (), problem="" if whole else "differs")]


@target("json", "the net or solver as JSON")
def convert_to_json(request: Request) -> Outcome:
    """Write JSON."""
    return _convert(request, lambda m: json.dumps(to_plain(m), indent=1) + "\n")


@target("yaml", "the net or solver as YAML")
def convert_to_yaml(request: Request) -> Outcome:
    """Write YAML."""
    return _convert(request, _yaml)


def _yaml(message: Message) -> str:
    return str(load_yaml().safe_dump(to_plain(message), sort_keys=False, width=88))


@target("prototxt", "the net or solver as prototxt, in today's spelling")
def convert_to_prototxt(request: Request) -> Outcome:
    """Write prototxt."""
    return _convert(request, to_text)
