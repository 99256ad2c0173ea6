"""A layer on its way into the graph: its message and where it stands in the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from netspec.errors import NetspecError, Place
from netspec.proto import LayerParameter

Locate = Callable[..., Place]
E = TypeVar("E", bound=NetspecError)


@dataclass
class Draft:
    """One layer's message, its place, and a way to find its fields' places."""

    proto: LayerParameter
    place: Place
    locate: Locate | None = field(default=None, repr=False)
    inserted: bool = False

    def copy(self) -> Draft:
        """A draft whose message may be changed."""
        proto = LayerParameter()
        proto.CopyFrom(self.proto)
        return Draft(proto, self.place, self.locate, self.inserted)

    @property
    def title(self) -> tuple[str, str]:
        """Name and type, as errors print them."""
        return self.proto.name, self.proto.type

    def place_of(self, *path: str | int) -> Place:
        """Place of a field of the layer, or of the layer itself."""
        return self.locate(*path) if self.locate else self.place

    def explain(self, error: E) -> E:
        """The error with this layer's name and the best known place."""
        path = [int(p) if p.isdigit() else p for p in error.field.split(".") if p]
        return error.at(self.place_of(*path), self.title)
