"""Where each field of a message stood in its file.

A parser leaves a tree of :class:`Spot` beside the message it fills; upgrades and
filters move spots as they move fields. :class:`Located` is the pair of a message and
its spots, and answers ``place("layer", 3, "convolution_param", "group")`` with the
nearest place that is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from google.protobuf.message import Message

from netspec.errors import Place

M = TypeVar("M", bound=Message)


class Spot:
    """The offset of one field value, and the spots of the fields inside it."""

    __slots__ = ("fields", "offset")

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.fields: dict[str, list[Spot]] = {}

    def find(self, path: tuple[str | int, ...]) -> Spot:
        """The deepest known spot along a path of field names and indices.

        A name without an index means the first value of that field; an index may be
        a string of digits, as in the dotted field of an error.
        """
        here, steps = self, [str(step) for step in reversed(path)]
        while steps:
            values = here.fields.get(steps.pop(), [])
            index = int(steps.pop()) if steps and steps[-1].isdecimal() else 0
            if index >= len(values):
                break
            here = values[index]
        return here

    def add(self, name: str, offset: int) -> Spot:
        """Note one more value of a field."""
        spot = Spot(offset)
        self.fields.setdefault(name, []).append(spot)
        return spot


def place_at(file: str, text: str, offset: int) -> Place:
    """The line and column of an offset, both from 1, in characters."""
    line = text.count("\n", 0, offset) + 1
    return Place(file, line, offset - text.rfind("\n", 0, offset))


@dataclass(frozen=True)
class Places:
    """The places of one message's fields; with no text (a binary file), the file."""

    file: str
    text: str = field(default="", repr=False)
    root: Spot = field(default_factory=lambda: Spot(-1), repr=False)

    def place(self, *path: str | int) -> Place:
        """The nearest known place of a field.

        Names that lead nowhere give the place of what encloses them; a message as a
        whole, and any field of a binary file, gives the file.
        """
        spot = self.root.find(path)
        if spot.offset < 0:
            return Place(self.file)
        return place_at(self.file, self.text, spot.offset)

    def inside(self, *path: str | int) -> Places:
        """The places of a message within this one."""
        return replace(self, root=self.root.find(path))


@dataclass(frozen=True)
class Located(Generic[M]):
    """A message that knows where it was written.

    Attributes:
        message: the net or solver.
        places: where its fields stood.
        upgraded: what was rewritten from an older spelling, one sentence each.
        lenient: whether it was read leniently, and files it names shall be.
    """

    message: M
    places: Places
    upgraded: tuple[str, ...] = ()
    lenient: bool = False

    @property
    def file(self) -> str:
        """The file as users are shown it."""
        return self.places.file

    def place(self, *path: str | int) -> Place:
        """See :meth:`Places.place`."""
        return self.places.place(*path)
