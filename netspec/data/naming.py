"""Errors that say which record, image or row they are about."""

from __future__ import annotations

from netspec.errors import DataError

_LONGEST_NAME = 200


def about(subject: str, error: DataError) -> DataError:
    """An error whose problem begins with its verb, with the subject before it."""
    return DataError(f"{subject} {error.problem}", error.remedy, field=error.field)


def printable(name: bytes | memoryview | str) -> str:
    """A key or path as messages print it: short, on one line."""
    if isinstance(name, str):
        name = name.encode("utf-8", "surrogateescape")
    text = bytes(name[:_LONGEST_NAME]).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
