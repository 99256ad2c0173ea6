"""Errors that are also what Python programs expect of such a mistake."""

from __future__ import annotations

from collections.abc import Iterable

from netspec.errors import UsageError
from netspec.registry import suggest


class UnknownNameError(UsageError, KeyError):
    """A name that is not in a net."""


class BadValueError(UsageError, ValueError):
    """An argument of a wrong shape or value."""


class NotATopError(UsageError, TypeError):
    """A layer is given something that is no blob."""


class BadCropError(UsageError, AssertionError):
    """A blob cannot be cropped to another."""


def unknown(kind: str, name: object, known: Iterable[str]) -> UnknownNameError:
    """The error for a name that is none of those known."""
    return UnknownNameError(f"no {kind} {name!r}.", suggest(str(name), known))


class UnknownAttributeError(UsageError, AttributeError, KeyError):
    """A name that nothing is assigned to."""


class UnknownFieldError(UsageError, AttributeError):
    """A field that a message does not have."""
