"""Protobuf's wire format, walked in place.

A message is a run of fields, each a tag (number and wire type) and a payload.  The
walk jumps from tag to tag and touches no payload, so a file of 500 MB that is mapped
into memory is looked through in milliseconds, and what it finds are offsets into the
one buffer.  Every length is checked against the bytes that are left before anything
is taken; an error names the byte, the field and the message.

Nesting is as deep as the caller's own calls of :meth:`Message.inside`: a file cannot
make the walk recurse.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from netspec.errors import DataError, Place

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}
_MOST_VARINT_BYTES = 10
_HIGHEST_NUMBER = (1 << 29) - 1
# No message of Caffe's comes near this; a hostile one would keep Python busy for hours.
_MOST_FIELDS = 1 << 20
_REMEDY = "The file is damaged, cut short or of another kind: fetch or make it again."


@dataclass(frozen=True, slots=True)
class Field:
    """One field: bytes ``[tag, stop)`` with its payload at ``[start, stop)``.

    *value* is the number itself for a varint (unsigned, 64 bits) and 0 otherwise.
    """

    number: int
    wire: int
    tag: int
    start: int
    stop: int
    value: int = 0

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes ``[start, stop)`` of a buffer, to be read as a message of type *kind*."""

    buffer: memoryview
    start: int
    stop: int
    kind: str
    file: str = ""

    @classmethod
    def of(
        cls, buffer: bytes | memoryview | mmap.mmap, kind: str, file: str = ""
    ) -> Message:
        """A whole buffer as one message; *file* is only named in errors."""
        view = memoryview(buffer).cast("B")
        return cls(view, 0, len(view), kind, file)

    @classmethod
    def map(cls, path: str | Path, kind: str) -> Message:
        """A file, mapped read-only into memory and not read.

        The mapping lives as long as the message or any view into it.

        Raises:
            DataError: the file is missing, unreadable, empty or no regular file.
        """
        return cls.of(_mapped(Path(path)), kind, str(path))

    def fields(self) -> Iterator[Field]:
        """The fields in the order of the file.

        Raises:
            DataError: a tag, varint or length that does not fit into the message.
        """
        at = self.start
        for _ in range(_MOST_FIELDS):
            if at >= self.stop:
                return
            field = self.field_at(at)
            yield field
            at = field.stop
        raise self.error(at, f"{self.kind} has more than {_MOST_FIELDS:,} fields")

    def field_at(self, at: int) -> Field:
        """The field whose tag starts at offset *at* of the buffer."""
        key, start = self._varint(at, "a tag")
        number, wire = key >> 3, key & 7
        if not 0 < number <= _HIGHEST_NUMBER:
            raise self.error(at, f"{self.kind} has no field {number}")
        if wire == VARINT:
            value, stop = self._varint(start, f"field {number}")
            return Field(number, wire, at, start, stop, value)
        if wire == LENGTH:
            size, start = self._varint(start, f"the length of field {number}")
        elif wire in _FIXED:
            size = _FIXED[wire]
        else:
            raise self.error(at, f"field {number} of {self.kind} has wire type {wire}")
        self._check_left(at, number, start, size)
        return Field(number, wire, at, start, start + size)

    def inside(self, field: Field, kind: str) -> Message:
        """The payload of a length-delimited field as a message of type *kind*."""
        return Message(self.buffer, field.start, field.stop, kind, self.file)

    def payload(self, field: Field) -> memoryview:
        """The payload's bytes, not copied."""
        return self.buffer[field.start : field.stop]

    def text(self, field: Field) -> str:
        """The payload as a string.

        Raises:
            DataError: it is not UTF-8.
        """
        try:
            return str(self.payload(field), "utf-8")
        except UnicodeDecodeError:
            problem = f"field {field.number} of {self.kind} is not UTF-8 text"
            raise self.error(field.start, problem) from None

    def varints(self, field: Field) -> list[int]:
        """Values of a repeated integer field: one, or all that are packed in it."""
        if field.wire == VARINT:
            return [field.value]
        packed, values, at = self.inside(field, self.kind), [], field.start
        while at < field.stop:
            value, at = packed._varint(at, f"field {field.number}")
            values.append(value)
        return values

    def error(self, at: int, problem: str) -> DataError:
        """An error at byte *at*; *problem* is a sentence without its period."""
        place = Place(self.file) if self.file else None
        return DataError(f"byte {at}: {problem}.", _REMEDY, place=place)

    def _check_left(self, at: int, number: int, start: int, size: int) -> None:
        left = self.stop - start
        if size > left:
            claim, rest = format_bytes(size), format_bytes(left)
            verb = "is" if left == 1 else "are"
            raise self.error(
                at,
                f"field {number} of {self.kind} claims {claim}, {rest} {verb} left",
            )

    def _varint(self, at: int, what: str) -> tuple[int, int]:
        """Value of the varint at *at* and the offset behind it."""
        value = shift = 0
        for here in range(at, min(self.stop, at + _MOST_VARINT_BYTES)):
            byte = self.buffer[here]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFF_FFFF_FFFF_FFFF, here + 1
            shift += 7
        if at + _MOST_VARINT_BYTES > self.stop:
            raise self.error(at, f"{self.kind} ends inside {what}")
        raise self.error(at, f"{what} of {self.kind} is longer than a number may be")


def int32(value: int) -> int:
    """A varint as protobuf's int32: its low 32 bits, signed."""
    return _signed(value, 32)


def int64(value: int) -> int:
    """A varint as protobuf's int64."""
    return _signed(value, 64)


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def encode_varint(value: int) -> bytes:
    """A varint; negative numbers as the ten bytes that int32 and int64 take."""
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_header(number: int, size: int) -> bytes:
    """Tag and length of a length-delimited field whose payload has *size* bytes."""
    return encode_varint(number << 3 | LENGTH) + encode_varint(size)


def encode_field(number: int, payload: bytes) -> bytes:
    """A whole length-delimited field."""
    return encode_header(number, len(payload)) + payload


def format_bytes(size: int) -> str:
    """A size as messages print it: ``100 bytes``, ``4.2 GB`` (powers of 1,000)."""
    if size < 1000:
        return "1 byte" if size == 1 else f"{size} bytes"
    number = size / 1000
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        if number < 999.95:
            return f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} EB"


def _mapped(path: Path) -> mmap.mmap:
    place = Place(str(path))
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        remedy = "Check the name and the folder."
        raise DataError("the file does not exist.", remedy, place=place) from None
    except ValueError:
        remedy = "Fetch or make it again."
        raise DataError("the file is empty.", remedy, place=place) from None
    except OSError as error:
        problem = f"the file cannot be read: {error.strerror}."
        raise DataError(problem, "Name a readable file.", place=place) from None
