"""Which blobs are one piece of memory: in-place tops and aliases.

Blobs of one name are one piece already (a layer in place gives its top its bottom's
name).  Split, Flatten and Reshape give their tops the bottom's data, and the latter two
its diff as well.  A lean plan lets further layers work in place, sums lie where a
bottom lay, and blobs where a Concat joins them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from netspec.graph.graph import Graph
from netspec.layers.base import Alias
from netspec.shapes import count

NONE: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Part:
    """Where a blob lies in another: it is some of the channels.

    Attributes:
        whole: name of the other.
        channels: how many it has.
        start: the first of these.
    """

    whole: str
    channels: int
    start: int


class Storages:
    """Partition of blob names; each class is named by the blob that came first."""

    def __init__(self) -> None:
        self._root: dict[str, str] = {}
        self.size: dict[str, int] = {}

    def add(self, name: str, elements: int) -> None:
        """A blob; one already known keeps its storage."""
        if name not in self._root:
            self._root[name] = name
            self.size[name] = elements

    def alias(self, name: str, of: str) -> None:
        """A blob that lives in the storage of another."""
        self._root[name] = self._root[of]

    def __getitem__(self, name: str) -> str:
        return self._root[name]

    def members(self, root: str) -> list[str]:
        """All blobs of one storage."""
        return [name for name, r in self._root.items() if r == root]


def group_storage(
    graph: Graph,
    aliases: Collection[Alias],
    in_place: Collection[int] = (),
    over: Mapping[int, str] = NONE,
    parts: Mapping[str, Part] = NONE,
) -> Storages:
    """Storages of a graph when the given kinds of alias share memory.

    Args:
        in_place: indices of the nodes that work in place though their file does not
            say so.
        over: bottoms whose memory becomes that of a node's top, by index.
        parts: blobs that lie in others, which are made later.
    """
    storages = Storages()
    for i, node in enumerate(graph.nodes):
        for name, shape in zip(node.tops, node.top_shapes):
            if node.layer.alias in aliases or i in in_place:
                storages.alias(name, node.bottoms[0])
            elif i in over:
                storages.alias(name, over[i])
            elif name in parts:
                whole = parts[name].whole
                storages.add(whole, count(graph.blobs[whole]))
                storages.alias(name, whole)
            else:
                storages.add(name, count(shape))
    return storages


def data_storage(
    graph: Graph,
    in_place: Collection[int] = (),
    over: Mapping[int, str] = NONE,
    parts: Mapping[str, Part] = NONE,
) -> Storages:
    """Storages of the blobs' data."""
    return group_storage(graph, (Alias.DATA, Alias.BOTH), in_place, over, parts)


def diff_storage(graph: Graph, in_place: Collection[int] = ()) -> Storages:
    """Storages of the blobs' diffs: the tops of a Split have one each."""
    return group_storage(graph, (Alias.BOTH,), in_place)
