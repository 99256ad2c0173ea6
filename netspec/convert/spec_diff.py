"""How two nets or solvers differ, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from netspec.convert.plain import to_plain
from netspec.proto import LayerParameter, NetParameter


@dataclass(frozen=True)
class Change:
    """One field, or one layer as a whole, that is not the same.

    Attributes:
        where: ``layer 'conv1' convolution_param.pad``.
        first, second: the values as text; "" where there is none.
    """

    where: str
    first: str
    second: str

    def __str__(self) -> str:
        if not self.first:
            return f"{self.where}: only in the second ({self.second})"
        if not self.second:
            return f"{self.where}: only in the first ({self.first})"
        return f"{self.where}: {self.first} -> {self.second}"


def spec_changes(first: Message, second: Message) -> list[Change]:
    """Every difference; layers are matched by name, and order counts.

    Blobs inside the messages are not looked at.
    """
    if isinstance(first, NetParameter) and isinstance(second, NetParameter):
        return list(_net_changes(first, second))
    return list(_value_changes("", to_plain(first), to_plain(second)))


def _net_changes(first: NetParameter, second: NetParameter) -> Iterator[Change]:
    rest = [
        {k: v for k, v in to_plain(m).items() if k != "layer"} for m in (first, second)
    ]
    yield from _value_changes("net ", *rest)
    ours, theirs = _by_name(first), _by_name(second)
    for key, layer in ours.items():
        if key in theirs:
            where = f"layer {key[0]!r} "
            yield from _value_changes(where, _plain(layer), _plain(theirs[key]))
        else:
            yield Change(f"layer {key[0]!r}", layer.type, "")
    for key, layer in theirs.items():
        if key not in ours:
            yield Change(f"layer {key[0]!r}", "", layer.type)
    yield from _order(list(ours), list(theirs))


def _by_name(net: NetParameter) -> dict[tuple[str, int], LayerParameter]:
    """Layers by name, and by number where several have one name."""
    found: dict[tuple[str, int], LayerParameter] = {}
    for layer in net.layer:
        number = 0
        while (layer.name, number) in found:
            number += 1
        found[layer.name, number] = layer
    return found


def _plain(layer: LayerParameter) -> dict[str, Any]:
    return {k: v for k, v in to_plain(layer).items() if k not in ("name", "blobs")}


def _order(
    ours: list[tuple[str, int]], theirs: list[tuple[str, int]]
) -> Iterator[Change]:
    common = [key for key in ours if key in set(theirs)]
    again = [key for key in theirs if key in set(ours)]
    for one, two in zip(common, again):
        if one != two:
            yield Change("order of layers, first difference", one[0], two[0])
            return


def _value_changes(where: str, one: Any, two: Any) -> Iterator[Change]:
    """Differences between two plain values, at the depth where they begin."""
    if isinstance(one, dict) and isinstance(two, dict):
        for key in dict.fromkeys((*one, *two)):
            joint = "" if not where or where.endswith(" ") else "."
            yield from _value_changes(
                f"{where}{joint}{key}", one.get(key), two.get(key)
            )
    elif one != two:
        yield Change(where.strip(), _text(one), _text(two))


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
