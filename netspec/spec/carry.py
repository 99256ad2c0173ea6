"""Setting a field by its path, and its spot along with it.

What an upgrade moves keeps the place where its old spelling stood.
"""

from __future__ import annotations

from google.protobuf.message import Message

from netspec.spec.locate import Spot
from netspec.spec.values import Value

Path = tuple[str | int, ...]  # field names, each repeated one followed by its index


def put(
    message: Message, spot: Spot, path: Path, value: Value | Message, source: Spot
) -> None:
    """Set the field at *path*, making the messages on the way.

    A repeated scalar gets one more value.

    Args:
        message: where the path starts.
        spot: its spot.
        path: such as ``("param", 1, "lr_mult")``.
        value: a scalar, or a message to copy.
        source: where the value comes from; the new field gets its spot.
    """
    *parents, name = path
    for step, index in _steps(parents):
        message, spot = _descend(message, spot, step, index, source.offset)
    held = getattr(message, str(name))
    if isinstance(value, Message):
        held.CopyFrom(value)
    elif hasattr(held, "append"):
        held.append(value)
    else:
        setattr(message, str(name), value)
    spot.fields.setdefault(str(name), []).append(source)


def _steps(parents: list[str | int]) -> list[tuple[str, int | None]]:
    """Pair each name with the index after it, None where there is none."""
    after = [*parents, ""][1:]
    return [
        (step, following if isinstance(following, int) else None)
        for step, following in zip(parents, after, strict=True)
        if isinstance(step, str)
    ]


def _descend(
    message: Message, spot: Spot, name: str, index: int | None, offset: int
) -> tuple[Message, Spot]:
    child = getattr(message, name)
    if index is None:
        child.SetInParent()
    else:
        while len(child) <= index:
            child.add()
        child = child[index]
    spots = spot.fields.setdefault(name, [])
    while len(spots) <= (index or 0):
        spots.append(Spot(offset))
    return child, spots[index or 0]
