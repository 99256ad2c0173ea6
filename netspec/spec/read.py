"""Nets and solvers from files and from text, located and in today's spelling."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from netspec.errors import DataError, Place, SpecError
from netspec.proto import NetParameter, SolverParameter
from netspec.spec.dialects import check_fields, in_own_numbers
from netspec.spec.locate import Located, Places
from netspec.spec.skeleton import without_blobs
from netspec.spec.text import parse_text
from netspec.spec.upgrade import upgrade_net, upgrade_solver
from netspec.spec.wire import Message as WireMessage

M = TypeVar("M", bound=Message)
_BINARY_NAMES = (".caffemodel", ".binaryproto", ".bin")
_HEAD = 4096  # bytes that tell text from binary
_HDF5 = b"\x89HDF\r\n\x1a\n"


def read_net(
    path: str | os.PathLike[str], weights: bool = False, lenient: bool = False
) -> Located[NetParameter]:
    """Read a net from a prototxt or a binary file, upgraded to today's spelling.

    Args:
        path: text or binary, told apart by content.
        weights: whether the blobs of a binary file become part of the message; they
            are copied, so use netspec.weights for what needs only them.
        lenient: leave out fields that the schema does not know, such as a fork's,
            each with a :class:`~netspec.errors.SpecWarning`.

    Raises:
        SpecError: where there is no such file, it is neither text nor binary, or its
            text is wrong; with file, line and column.
    """
    return upgrade_net(_read(Path(path), NetParameter(), weights, lenient))


def read_solver(
    path: str | os.PathLike[str], lenient: bool = False
) -> Located[SolverParameter]:
    """Read a solver from a prototxt or a binary file, upgraded to today's spelling.

    Args:
        path: text or binary.
        lenient: as for :func:`read_net`, and for the nets that the solver names.

    Raises:
        SpecError: as :func:`read_net`.
    """
    return upgrade_solver(_read(Path(path), SolverParameter(), True, lenient))


def parse_net(
    text: str, file: str = "<text>", lenient: bool = False
) -> Located[NetParameter]:
    """Read a net from text; *file* is what errors call it."""
    return upgrade_net(parse_as_written(text, NetParameter(), file, lenient))


def parse_solver(text: str, file: str = "<text>") -> Located[SolverParameter]:
    """Read a solver from text; *file* is what errors call it."""
    return upgrade_solver(parse_as_written(text, SolverParameter(), file))


def parse_as_written(
    text: str, message: M, file: str = "<text>", lenient: bool = False
) -> Located[M]:
    """Read any message from text, without upgrading it."""
    places = parse_text(text, message, file, lenient)
    return Located(message, places, lenient=lenient)


def inline_net(
    solver: Located[SolverParameter], field: str, index: int = 0
) -> Located[NetParameter]:
    """A net that is written inside a solver, upgraded, with its places in that file.

    Args:
        solver: the solver; its message is left as it is.
        field: "net_param", "train_net_param" or "test_net_param".
        index: which of several test_net_param.
    """
    held = getattr(solver.message, field)
    net = NetParameter()
    net.CopyFrom(held if field != "test_net_param" else held[index])
    return upgrade_net(Located(net, solver.places.inside(field, index)))


def upgraded_from(located: Located[M]) -> tuple[str, ...]:
    """What was rewritten from an older spelling, one sentence each; empty: nothing."""
    return located.upgraded


def _read(path: Path, message: M, weights: bool, lenient: bool) -> Located[M]:
    data = _bytes_of(path, _HEAD)
    if _is_binary(path, data):
        return _decode(path, data, message, weights, lenient)
    # Bytes that are not UTF-8 are faults only outside comments: old files have them.
    text = _bytes_of(path).decode("utf-8-sig", "surrogateescape")
    text = text.replace("\r\n", "\n")
    located = parse_as_written(text, message, str(path), lenient)
    if not message.ListFields():
        raise _fault(path, "the file is empty.", f"A {_kind(message)} was expected.")
    return located


def _bytes_of(path: Path, size: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except FileNotFoundError:
        raise _fault(path, "there is no such file.", _similar(path)) from None
    except IsADirectoryError:
        problem = "this is a folder, not a file."
        raise _fault(path, problem, "Name the file inside it.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _fault(path, f"the file cannot be read: {reason}.", "") from None


def _similar(path: Path) -> str:
    """A file of nearly that name in the same folder."""
    import difflib

    try:
        names = [entry.name for entry in os.scandir(path.parent) if entry.is_file()]
    except OSError:
        return f"There is no folder {str(path.parent)!r} either."
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"Did you mean {str(path.parent / near[0])!r}?" if near else ""


def _is_binary(path: Path, head: bytes) -> bool:
    """Text has no control characters, binary messages have them near the start."""
    controls = set(head) & (set(range(32)) - set(b"\t\n\v\f\r"))
    return bool(controls) or (bool(head) and path.suffix in _BINARY_NAMES)


def _decode(
    path: Path, head: bytes, message: M, weights: bool, lenient: bool
) -> Located[M]:
    if head.startswith(_HDF5):
        remedy = f"It holds weights; a {_kind(message)} was expected."
        raise _fault(path, "this is an HDF5 file.", remedy)
    data = _fill(path, message, weights)
    if isinstance(message, NetParameter):
        if not (message.layer or message.layers):
            problem = "this binary file has no layers, so it is no net."
            remedy = "A mean image, a record or a solver state may look like this."
            raise _fault(path, problem, remedy)
        check_fields(data, str(path), lenient)
    notes = (
        ("text that is not UTF-8, now with \\x escapes.",) if _escape(message) else ()
    )
    return Located(message, Places(str(path)), notes, lenient)


def _fill(path: Path, message: Message, weights: bool) -> bytes:
    """Fill a message from a binary file; the bytes that it was filled from."""
    try:
        if weights:
            data = _bytes_of(path)
        else:
            data = without_blobs(WireMessage.map(path, _kind(message)))
        if isinstance(message, NetParameter):
            data = in_own_numbers(data)
        message.ParseFromString(data)
        whole = message.IsInitialized()
    except (DecodeError, UnicodeDecodeError, DataError):
        whole = False
    if not whole or not message.ListFields():
        raise _fault(
            path,
            f"this is neither text nor a binary {_kind(message)}.",
            "The file is damaged, cut short, or of another kind.",
        )
    return data


def _escape(message: Message) -> bool:
    """Replace strings that are not UTF-8, which protobuf hands out as bytes.

    Old weight files hold paths and names in the encodings of their time.
    """
    found = False
    for field, value in message.ListFields():
        values = [value] if field.has_presence else list(value)
        if field.message_type is not None:
            for inner in values:
                found |= _escape(inner)
        elif field.type == FieldDescriptor.TYPE_STRING and not all(
            isinstance(each, str) for each in values
        ):
            _set_texts(message, field, values)
            found = True
    return found


def _set_texts(
    message: Message, field: FieldDescriptor, values: list[str | bytes]
) -> None:
    texts = [
        each if isinstance(each, str) else each.decode("utf-8", "backslashreplace")
        for each in values
    ]
    message.ClearField(field.name)
    if field.has_presence:
        setattr(message, field.name, texts[0])
    else:
        getattr(message, field.name).extend(texts)


def _kind(message: Message) -> str:
    return "solver" if isinstance(message, SolverParameter) else "net"


def _fault(path: Path, problem: str, remedy: str) -> SpecError:
    return SpecError(problem, remedy, place=Place(str(path)))
