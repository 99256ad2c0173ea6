"""Finding the members of a tar archive without unpacking any.

Sizes are checked against the archive before anything is read, names are only names, and
what is neither file nor folder (links, devices, sparse files) is told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from netspec.data.naming import printable
from netspec.errors import DataError

_BLOCK = 512
_FILES, _FOLDERS = (b"0", b"\0", b"7"), b"5"
_LONG_NAME, _LONG_LINK, _PAX, _PAX_OF_ALL = b"L", b"K", b"x", b"g"
_LONGEST_NAME = 1 << 12  # bytes
_LONGEST = {_LONG_NAME: _LONGEST_NAME, _PAX: 1 << 16}  # bytes of extended headers
_LARGEST = 1 << 62  # bytes: what a claimed size may be at most
_OTHERS = {b"1": "a hard link", b"2": "a link", b"3": "a device", b"4": "a device",
           b"6": "a pipe", b"S": "a sparse file"}  # fmt: skip
_REMEDY = "Fetch the archive anew, and compare its checksum with the publisher's."

Read = Callable[[int, int], bytes]  # where, and how many bytes


class Member(NamedTuple):
    """A file in an archive.

    Attributes:
        start, size: where its bytes lie in the archive.
        unfit: what it is instead, where it is no file.
    """

    name: str
    start: int
    size: int
    unfit: str = ""


class _Claims(NamedTuple):
    """What extended headers say of the member that follows them."""

    name: bytes | None = None
    size: int | None = None


def members(read: Read, start: int, end: int, archive: str) -> Iterator[Member]:
    """The files of the archive that lies from *start* to *end*, in order.

    Args:
        read: gives bytes of the file that it lies in.
        archive: what messages call it.

    Raises:
        DataError: not a tar archive, damaged, or cut short.
    """
    claims, at = _Claims(), start
    while at + _BLOCK <= end:
        header = read(at, _BLOCK)
        if not any(header):
            return
        kind, size = _checked(header, at - start, archive)
        size = size if claims.size is None else claims.size
        body, at = at + _BLOCK, at + _BLOCK + -(-size // _BLOCK) * _BLOCK
        if body + size > end:
            raise _damaged(archive, f"ends within {_shown(header)}")
        if kind in _LONGEST:
            if size > _LONGEST[kind]:
                raise _damaged(archive, f"has an extended header of {size:,} bytes")
            claims = _extended(kind, read(body, size), claims, archive)
        elif kind not in (_LONG_LINK, _PAX_OF_ALL):
            name = claims.name or _name(header)
            if kind != _FOLDERS:
                unfit = "" if kind in _FILES else _OTHERS.get(kind, "something unknown")
                yield Member(name.decode("utf-8", "surrogateescape"), body, size, unfit)
            claims = _Claims()


def _checked(header: bytes, at: int, archive: str) -> tuple[bytes, int]:
    """Kind and size that a header tells, once its checksum is right."""
    if len(header) < _BLOCK:
        raise _damaged(archive, "ends within a header")
    told = _number(header[148:156])
    if told != sum(header[:148]) + 8 * ord(" ") + sum(header[156:]):
        if not at:
            raise DataError(f"'{archive}' is not a tar archive.", "Name a .tar file.")
        raise _damaged(archive, f"has a bad header at byte {at:,}")
    size = _number(header[124:136])
    if size is None or size > _LARGEST:
        raise _damaged(archive, f"has a bad size for {_shown(header)}")
    return header[156:157], size


def _number(field: bytes) -> int | None:
    """An octal number in text, or a binary one; None: neither."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0") or b"0"
    return int(digits, 8) if not digits.strip(b"01234567") else None


def _name(header: bytes) -> bytes:
    name = header[:100].split(b"\0", 1)[0]
    if header[257:263] == b"ustar\0":  # older formats have other things there
        prefix = header[345:500].split(b"\0", 1)[0]
        return prefix + b"/" + name if prefix else name
    return name


def _extended(kind: bytes, body: bytes, claims: _Claims, archive: str) -> _Claims:
    """Claims with those of one more extended header."""
    if kind == _LONG_NAME:
        return claims._replace(name=body.split(b"\0", 1)[0])
    for key, value in _pax_records(body):
        if key == b"path":
            claims = claims._replace(name=value[:_LONGEST_NAME])
        elif key == b"size":
            if not value.isdigit() or int(value[:20]) > _LARGEST:
                raise _damaged(archive, "has a bad size in an extended header")
            claims = claims._replace(size=int(value[:20]))
    return claims


def _pax_records(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of lines ``LENGTH KEY=VALUE``; what is none is passed over."""
    while body:
        length, _, rest = body.partition(b" ")
        if not length.isdigit() or not len(length) < int(length[:9]) <= len(body):
            return
        key, _, value = rest[: int(length) - len(length) - 2].partition(b"=")
        yield key, value
        body = body[int(length) :]


def _shown(header: bytes) -> str:
    return f"'{printable(_name(header))}'"


def _damaged(archive: str, how: str) -> DataError:
    return DataError(f"archive '{archive}' {how}.", _REMEDY)
