"""Protobuf's text format, read with the place of every field.

The grammar is the one Caffe's own reader accepts: ``name: value``, ``name { ... }``,
``name: { ... }``, angle brackets, lists in square brackets, neighbouring strings that
join, comments from ``#``, and ``,`` or ``;`` between fields. As there, a field that
is not repeated may be given once only.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import NamedTuple, NoReturn

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from netspec.errors import SpecError, SpecWarning
from netspec.spec.hints import left_out, misplaced_field, unknown_field, wrong_value
from netspec.spec.locate import Places, Spot, place_at
from netspec.spec.tokens import (
    END,
    MARK,
    NAME,
    STRAY,
    STRING,
    describe_stray,
    tokenize,
)
from netspec.spec.values import BadValueError, Reader, Value, reader_of

_CLOSING = {"{": "}", "<": ">"}
_OPENING = {**_CLOSING, "[": "]"}


class _Field(NamedTuple):
    """What the parser must know of a field; the reader is None for a message."""

    name: str
    repeated: bool
    read: Reader | None
    descriptor: FieldDescriptor


@cache
def _fields(descriptor: Descriptor) -> dict[str, _Field]:
    return {
        # A singular field of proto2 always has presence, a repeated one never.
        f.name: _Field(
            f.name,
            not f.has_presence,
            None if f.message_type is not None else reader_of(f),
            f,
        )
        for f in descriptor.fields
    }


def parse_text(text: str, message: Message, file: str, lenient: bool = False) -> Places:
    """Fill a message from text and return where each of its fields stood.

    Args:
        text: the whole text; lone surrogates stand for bytes that were not UTF-8.
        message: an empty message of the type that the text describes.
        file: the file's name as errors shall show it.
        lenient: step over fields that the schema does not know, with a SpecWarning.

    Raises:
        SpecError: at the first fault, with its place.
    """
    return _Parser(text, file, lenient).parse(message)


class _Parser:
    """One pass over the tokens of one text.

    It recurses once for each message within a message. No message of the schema
    contains its own kind, so a file cannot make that deep.
    """

    def __init__(self, text: str, file: str, lenient: bool) -> None:
        self.text = text
        self.file = file
        self.lenient = lenient
        self.kinds, self.words, self.offsets = tokenize(text)
        self.at = 0
        self.opened: list[int] = []  # tokens that opened the messages we are inside

    def parse(self, message: Message) -> Places:
        root = Spot(-1)
        self.fields(message, root, "")
        places = Places(self.file, self.text, root)
        if not message.IsInitialized():
            self.missing(message, places)
        return places

    def fields(self, message: Message, spot: Spot, closing: str) -> None:
        """Read fields up to and including the closing mark; "" is the end."""
        known = _fields(message.DESCRIPTOR)
        words, kinds = self.words, self.kinds
        while kinds[self.at] == NAME:
            name = words[self.at]
            field = known.get(name)
            if field is None:
                self.unknown(message)
                continue
            spots = spot.fields.setdefault(name, [])
            if spots and not field.repeated:
                self.given_twice(name, spots[0])
            self.at += 1
            self.field(message, field, spots)
            if words[self.at] in (",", ";"):
                self.at += 1
        if words[self.at] != closing or kinds[self.at] not in (MARK, END):
            self.unexpected("a field name", closing)
        self.at += 1

    def field(self, message: Message, field: _Field, spots: list[Spot]) -> None:
        """Read what follows a field's name."""
        spots.append(Spot(self.offsets[self.at - 1]))
        has_colon = self.words[self.at] == ":"
        self.at += has_colon
        if field.repeated and has_colon and self.words[self.at] == "[":
            spots.pop()
            self.list(message, field, spots)
        elif field.read is None:
            self.child(message, field, spots[-1])
        elif not has_colon:
            self.unexpected(f"':' after {field.name}")
        else:
            self.put(message, field)

    def list(self, message: Message, field: _Field, spots: list[Spot]) -> None:
        """Read ``[a, b]`` after a repeated field's colon."""
        self.at += 1
        if self.words[self.at] == "]":
            self.at += 1
            return
        while True:
            spots.append(Spot(self.offsets[self.at]))
            if field.read is None:
                self.child(message, field, spots[-1])
            else:
                self.put(message, field)
            if self.words[self.at] == "]":
                break
            if self.words[self.at] != ",":
                self.unexpected("',' or ']'")
            self.at += 1
        self.at += 1

    def put(self, message: Message, field: _Field) -> None:
        """Read one value into the message."""
        value = self.value(field)
        if field.repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)

    def value(self, field: _Field) -> Value:
        assert field.read is not None
        start = self.at
        negative = self.words[start] == "-"
        kind, word = self.kinds[start + negative], self.words[start + negative]
        if kind >= STRAY or kind == MARK:
            self.unexpected(f"a value for {field.name}")
        self.at += 1 + negative
        try:
            value = field.read(kind, word, negative)
            # Neighbouring strings are one text; each part is checked by itself.
            while kind == STRING and self.kinds[self.at] == STRING:
                value = value + field.read(STRING, self.words[self.at], False)  # type: ignore[operator]
                self.at += 1
        except BadValueError as bad:
            asked = "-" * negative + word
            self.fail(start, *wrong_value(field.descriptor, asked, bad))
        return value

    def child(self, message: Message, field: _Field, spot: Spot) -> None:
        """Read ``{ ... }`` into a message field."""
        closing = _CLOSING.get(self.words[self.at])
        if closing is None:
            self.unexpected(f"'{{' after {field.name}")
        inner = getattr(message, field.name)
        inner = inner.add() if field.repeated else inner
        if not field.repeated:
            inner.SetInParent()
        opened = self.at
        self.opened.append(opened)
        self.at += 1
        try:
            self.fields(inner, spot, closing)
        except SpecError as error:
            if field.name in ("layer", "layers"):
                error.at(layer=self.layer(opened))
            raise
        self.opened.pop()

    def skip(self) -> None:
        """Step over a field's name and value, whatever it is, and a mark behind it."""
        self.at += 1
        self.at += self.words[self.at] == ":"
        depth = 0
        while True:
            kind, word = self.kinds[self.at], self.words[self.at]
            if kind == MARK:
                depth += (word in _OPENING) - (word in _OPENING.values())
            if kind >= STRAY or depth < 0 or (not depth and word in (":", ",", ";")):
                self.unexpected("a value")
            self.at += 1
            joined = kind == STRING == self.kinds[self.at]
            if not depth and word != "-" and not joined:
                break
        self.at += self.words[self.at] in (",", ";")

    # Faults

    def fail(self, token: int, problem: str, remedy: str) -> NoReturn:
        """Raise at a token."""
        place = place_at(self.file, self.text, self.offsets[token])
        raise SpecError(problem, remedy, place=place)

    def layer(self, opened: int) -> tuple[str, str] | None:
        """Name and type of the layer whose brace is given, whether read yet or not."""
        found: dict[str, str] = {}
        depth = 0
        for token in range(opened, len(self.words) - 2):
            word, colon, value = self.words[token : token + 3]
            depth += (word in _CLOSING) - (word in _CLOSING.values())
            if depth == 0:
                break
            if depth == 1 and word in ("name", "type") and colon == ":":
                found.setdefault(word, value.strip("\"'"))
        return (found["name"], found.get("type", "?")) if "name" in found else None

    def line(self, offset: int) -> int:
        return place_at(self.file, self.text, offset).line

    def unknown(self, message: Message) -> None:
        """Refuse a field that the schema does not know, or warn and step over it."""
        name = self.words[self.at]
        line = self.line(self.offsets[self.opened[-1]]) if self.opened else 0
        inside: Descriptor = message.DESCRIPTOR  # type: ignore[assignment]
        wrong = misplaced_field(inside, name, line)
        if wrong or not self.lenient:
            self.fail(self.at, *(wrong or unknown_field(inside, name)))
        place = place_at(self.file, self.text, self.offsets[self.at])
        found = SpecError(*left_out(inside, name), place=place, layer=self.inside())
        warnings.warn(str(found), SpecWarning, stacklevel=2)
        self.skip()

    def inside(self) -> tuple[str, str] | None:
        """Name and type of the layer we are in."""
        for opened in self.opened:
            name = opened - 1 - (self.words[opened - 1] == ":")
            if self.words[name] in ("layer", "layers"):
                return self.layer(opened)
        return None

    def given_twice(self, name: str, first: Spot) -> NoReturn:
        self.fail(
            self.at,
            f"{name} is given a second time; the first is on line "
            f"{self.line(first.offset)}.",
            "It holds one value: remove one of the two, or close the message with "
            "'}' before this line.",
        )

    def unexpected(self, wanted: str, closing: str = "") -> NoReturn:
        """The token here is not what the grammar wants."""
        kind, word = self.kinds[self.at], self.words[self.at]
        if kind == STRAY:
            self.fail(self.at, *describe_stray(self.text, self.offsets[self.at]))
        if kind == END and self.opened:
            opened = self.opened[-1]
            self.fail(
                opened,
                f"the {self.words[opened]!r} that opens here is never closed.",
                f"Add the missing {_CLOSING[self.words[opened]]!r}.",
            )
        if kind == END:
            self.fail(self.at, f"the file ends where {wanted} must follow.", "")
        if word in ("}", ">") and not self.opened:
            self.fail(self.at, f"{word!r} closes nothing.", "Remove it.")
        wanted = f"{wanted} or {closing!r}" if closing else wanted
        self.fail(self.at, f"found {word!r} where {wanted} must stand.", "")

    def missing(self, message: Message, places: Places) -> NoReturn:
        """A required field is absent."""
        errors = message.FindInitializationErrors()  # type: ignore[attr-defined]
        *path, name = errors[0].split(".")
        steps = [part for step in path for part in step.rstrip("]").split("[")]
        keys = [int(step) if step.isdigit() else step for step in steps]
        raise SpecError(
            f"{keys[-1]} lacks {name}.",
            f"Add {name}: it has no default.",
            place=places.place(*keys),
        )
