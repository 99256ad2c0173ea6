"""The error types of netspec and the one sentence form they all print.

    FILE:LINE:COLUMN: layer 'NAME' (TYPE): what was asked and what was found.
      What is allowed, or what to do.

An error is raised where the fault is seen, by code that may not know the file or
the layer; whoever does know adds it with :meth:`NetspecError.at` on the way up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, order=True)
class Place:
    """Where something stands in a file; line and column count from 1, 0 is unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        known = [self.file, *(str(n) for n in (self.line, self.column) if n)]
        return ":".join(known)


class NetspecError(Exception):
    """Base of every error that a user can cause.

    Args:
        problem: one sentence: what was asked and what was found, with the values.
        remedy: what is allowed or what to do; printed on an indented second line.
        place: file, line and column, where known.
        layer: name and type of the layer concerned, where there is one.
        field: dotted path of the offending field inside the layer's message, for
            example ``convolution_param.group``: lets the reader find its line.
    """

    exit_code = 1

    def __init__(
        self,
        problem: str,
        remedy: str = "",
        *,
        place: Place | None = None,
        layer: tuple[str, str] | None = None,
        field: str = "",
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.place = place
        self.layer = layer
        self.field = field

    def at(
        self, place: Place | None = None, layer: tuple[str, str] | None = None
    ) -> Self:
        """Add the place and the layer, unless a deeper caller already knew better."""
        self.place = self.place or place
        self.layer = self.layer or layer
        return self

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        who = "layer '{}' ({}): ".format(*self.layer) if self.layer else ""
        remedy = f"\n  {self.remedy}" if self.remedy else ""
        return f"{where}{who}{self.problem}{remedy}"


class UsageError(NetspecError):
    """The command line or an API call asks for something that does not exist."""

    exit_code = 2


class SpecError(NetspecError):
    """A net or solver description is wrong."""

    exit_code = 3


class SpecWarning(UserWarning):
    """What was left out of a description that is read leniently; see `read_net`."""


class DataWarning(UserWarning):
    """A bad record that another one stands in for; see `replace_bad` of the schema."""


class OpenShapeError(SpecError):
    """The file alone does not tell the shape of a source: its data would."""


class DataError(NetspecError):
    """A database, image, weights file or snapshot is missing, broken or unfit."""

    exit_code = 4


class LabelError(DataError):
    """A label that is no class.

    Args:
        row: of the iteration's batch; whoever knows the data names its record.
    """

    def __init__(self, problem: str, remedy: str, row: int) -> None:
        super().__init__(problem, remedy)
        self.row = row

    def found_in(self, record: str) -> Self:
        """Add what the row is called in its database or list; "" is nothing to add."""
        if record:
            self.problem = f"{self.problem} It is {record}."
        return self


class DeviceError(NetspecError):
    """A device is missing, unusable or out of memory."""

    exit_code = 5


class DivergedError(NetspecError):
    """Training produced a value that is not finite."""

    exit_code = 6
