"""Blobs whose shapes only the data decides.

A graph infers the largest shapes, and memory is laid out for them.  Where a layer
``resizes`` (Filter), its forward says how many rows this batch has; its tops and
whatever follows are then shown as the first elements of their memory, until the next
batch says otherwise.  Only a user's own layer may ask for more than was inferred: what
no longer fits gets memory of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from netspec.errors import DataError, NetspecError, SpecError
from netspec.graph import Node
from netspec.layers.base import Run, Shapes
from netspec.net.blob import Blob
from netspec.net.memory import Memory
from netspec.shapes import Shape, count, describe


class Resizer:
    """Resizes the blobs of one net.

    Args:
        runs: of the net's nodes, in order.
        changed: called when they are handed other arrays.
    """

    def __init__(
        self, memory: Memory, runs: Sequence[Run], changed: Callable[[], None]
    ) -> None:
        self._memory, self._runs, self._changed = memory, runs, changed
        self._nodes = memory.graph.nodes

    def install(self) -> None:
        """Let the layers that resize do it: see :attr:`Run.resize`."""
        for i, node in enumerate(self._nodes):
            if node.layer.resizes:
                self._runs[i].resize = partial(self.resize, i)

    def resize(self, index: int, tops: Shapes) -> None:
        """Give the tops of node *index* their shapes, and what follows accordingly.

        Raises:
            SpecError: a later layer cannot take them; names that layer.
            DataError: a later layer would get nothing.
        """
        shapes = dict(zip(self._nodes[index].tops, tops))
        touched = [index, *self._follow(index, shapes)]
        self._show(shapes, touched)

    def reshape_first(self, stop: int, inputs: Mapping[str, Blob]) -> None:
        """Give tops of sources memory and shapes, and what follows up to node *stop*.

        Raises:
            SpecError: one of these layers cannot take them; names that layer.
        """
        shapes = {name: blob.shape for name, blob in inputs.items()}
        sources = [i for i, n in enumerate(self._nodes) if shapes.keys() & set(n.tops)]
        touched = [*sources, *self._follow(-1, shapes, stop)]
        for name, blob in inputs.items():
            self._memory.adopt(name, blob)
        self._show(shapes, touched)

    def _show(self, shapes: Mapping[str, Shape], touched: Sequence[int]) -> None:
        for name, shape in shapes.items():
            self._memory.show(name, shape)
        for i in touched:
            self._memory.connect(self._runs[i], i)
        self._changed()

    def _follow(
        self, index: int, shapes: dict[str, Shape], stop: int | None = None
    ) -> list[int]:
        """Add the shapes that follow from those given; the nodes that they concern."""
        followers = []
        for i, node in enumerate(self._nodes[index + 1 : stop], start=index + 1):
            if shapes.keys() & set(node.bottoms):
                try:
                    shapes.update(zip(node.tops, self._infer(node, shapes)))
                except NetspecError as error:
                    raise error.at(node.place, (node.name, node.type)) from None
                followers.append(i)
        return followers

    def _infer(self, node: Node, shapes: dict[str, Shape]) -> Shapes:
        known = self._memory.shapes
        bottom = tuple(
            shapes[name] if name in shapes else known[name] for name in node.bottoms
        )
        for name, shape in zip(node.bottoms, bottom):
            if not count(shape):
                raise DataError(
                    f"bottom {name!r} has no rows in this batch ({describe(shape)}).",
                    "Make sure that every batch keeps one: a larger batch, or other "
                    "data.",
                )
        tops = node.layer.infer_shapes(bottom)
        params = tuple(spec.shape for spec in node.layer.params(bottom))
        if params != node.param_shapes:
            raise SpecError(
                f"bottoms of {', '.join(map(describe, bottom))} would change more than "
                f"rows: {', '.join(map(describe, (*tops, *params)))}.",
                "The number of rows of this net varies: its layers must treat every "
                "row alike.",
            )
        return tops
