"""What is drawn: boxes and arrows between them, without places."""

from __future__ import annotations

from dataclasses import dataclass, field

DIRECTIONS = ("TB", "BT", "LR", "RL")


@dataclass(frozen=True)
class Box:
    """One thing with a name.

    Attributes:
        lines: what stands in it.
        colour: of its inside, ``#RRGGBB``.
        corners: whether its corners are cut off: blobs, as opposed to layers.
    """

    lines: tuple[str, ...]
    colour: str
    corners: bool = False


@dataclass(frozen=True)
class Arrow:
    """From one box to another, by key."""

    tail: str
    head: str
    label: str = ""


@dataclass
class Diagram:
    """Boxes by key, in the order in which data flows, and the arrows between them.

    Attributes:
        direction: where data flows: top to bottom TB, and BT, LR, RL.
    """

    name: str
    direction: str = "TB"
    boxes: dict[str, Box] = field(default_factory=dict)
    arrows: list[Arrow] = field(default_factory=list)
