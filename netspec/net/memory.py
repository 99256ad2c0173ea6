"""Views of one block of memory, as the plan laid it out, for blobs and layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netspec.graph import Graph, Node
from netspec.layers.base import Alias, Run, Shapes
from netspec.net.blob import Blob
from netspec.plan import Plan
from netspec.plan.lifetime import written_diffs
from netspec.random import Key
from netspec.shapes import Shape, count


class Memory:
    """All arrays of a plan but the parameters, zero at first.

    Pages of the block that no pass touches cost nothing.

    Args:
        lent: tops of sources that lie in memory of the caller's instead.
        ops: of the device that the memory is on.
    """

    def __init__(
        self, plan: Plan, dtype: str, lent: Mapping[str, Blob], ops: Any
    ) -> None:
        self.graph: Graph = plan.graph
        self._dtype = dtype
        self._lent = lent
        self._ops = ops
        self._block = ops.zeros(plan.bytes, "uint8")
        self._plan = plan
        self._data, self._diff = plan.memory.data, plan.memory.diff
        self._written = written_diffs(self.graph, self._diff)
        self._ahead = plan.ahead
        self._grown: dict[tuple[str, str], Any] = {}
        self._views: dict[tuple[str, str, Shape], Any] = {}
        self.blobs: dict[str, Blob] = {}
        self.shapes: dict[str, Shape] = {}
        for name, shape in self.graph.blobs.items():
            self.show(name, shape)

    def show(self, name: str, shape: Shape) -> None:
        """Show a blob under a shape: the first elements of its memory.

        One that the plan does without has none.
        """
        self.shapes[name] = shape
        data = self._part(name, shape)
        self.blobs[name] = Blob(data, self._view("diff", self._diff[name], shape))

    def _part(self, name: str, shape: Shape) -> Any:
        """The data of a blob, which may be some of the channels of another."""
        root, part = self._data[name], self._plan.memory.parts.get(name)
        if part is None:
            return self._view("data", root, shape)
        batch, channels, *axes = shape
        whole = self._view("data", root, (batch, part.channels, *axes))
        return whole[:, part.start : part.start + channels]

    def adopt(self, name: str, blob: Blob) -> None:
        """Let a source's top lie in the caller's arrays from now on."""
        for kind, array in (("data", blob.data), ("diff", blob.diff)):
            if array is not None:
                self._grown[kind, name] = array.reshape(-1)
        self._views.clear()

    def _view(self, kind: str, name: str, shape: Shape) -> Any:
        """One array under a shape, or None where the plan has none.

        A shape that is larger than planned gets memory of its own, from now on.  The
        same view is the same object: ``top is bottom`` where a layer works in place.
        """
        key = kind, name, shape
        if key not in self._views:
            self._views[key] = self._new_view(kind, name, shape)
        return self._views[key]

    def _new_view(self, kind: str, name: str, shape: Shape) -> Any:
        flat = self._grown.get((kind, name))
        flat = self._array(kind, name) if flat is None else flat
        if flat is not None and count(shape) > flat.size:
            flat = self._grown[kind, name] = self._ops.zeros(count(shape), flat.dtype)
            self._views.clear()
        return None if flat is None else flat[: count(shape)].reshape(shape)

    def _array(self, kind: str, name: str) -> Any:
        """The flat array of one slot, or None where the plan has none."""
        lent = getattr(self._lent.get(name), kind, None)
        if lent is not None:
            return lent.reshape(-1)
        slot = self._plan.slots.get((kind, name))
        if slot is None:
            return None
        dtype = self._dtype if slot.interval.dtype == "float" else slot.interval.dtype
        flat = self._block[slot.offset : slot.end].view(dtype)
        return flat[: slot.interval.elements]

    def runs(self, params: Sequence[Blob], seed: int) -> list[Run]:
        """What each layer is handed, in order."""
        nodes = self.graph.nodes
        runs = [
            self._run(i, node, node_params(node, params), seed)
            for i, node in enumerate(nodes)
        ]
        for head, followers in self._plan.chains.items():
            runs[head].followers = [(nodes[i].layer, runs[i]) for i in followers]
        return runs

    def _run(self, index: int, node: Node, params: Sequence[Blob], seed: int) -> Run:
        run = Run(
            param=[p.data for p in params],
            param_diff=_wanted(params, node.param_gradient),
            key=Key(seed, node.name),
            shards=self.graph.shards,
            loss_weight=node.loss_weights,
        )
        self.connect(run, index)
        return run

    def connect(self, run: Run, index: int) -> None:
        """Give the run of a layer the views that its blobs have now."""
        node = self.graph.nodes[index]
        bottoms = [self.blobs[name] for name in node.bottoms]
        shapes = tuple(self.shapes[name] for name in node.bottoms)
        last = self.graph.nodes[self._plan.chains.get(index, (index,))[-1]]
        run.bottom = [
            None if self._is_part(name, node) else self.blobs[name].data
            for name in node.bottoms
        ]
        run.top = [self.blobs[name].data for name in last.tops]
        run.bottom_diff = _wanted(bottoms, node.bottom_gradient)
        run.top_diff = [self._top_diff(node, name) for name in node.tops]
        if index in self._ahead:
            self._show_maxima(run, self.graph.nodes[self._ahead[index]])
        run.scratch = self._scratch(index, node, shapes)
        run.geometry = node.layer.geometry(shapes)

    def _is_part(self, name: str, node: Node) -> bool:
        """Whether a bottom lies in a node's top."""
        part = self._plan.memory.parts.get(name)
        return part is not None and part.whole in node.tops

    def _show_maxima(self, run: Run, pooling: Node) -> None:
        """Let a layer go backward in place on what a pooling has made of its top."""
        tops = [self.blobs[name] for name in pooling.tops]
        run.top = [blob.data for blob in tops]
        run.top_diff = run.bottom_diff = [blob.diff for blob in tops]

    def _top_diff(self, node: Node, name: str) -> Any:
        """The diff of a top; None for a copy whose reader sends nothing back."""
        copy = node.layer.alias is Alias.DATA and name not in self.graph.outputs
        if copy and self._diff[name] not in self._written:
            weighted = dict(zip(node.tops, node.loss_weights))[name]
            return self.blobs[name].diff if weighted else None
        return self.blobs[name].diff

    def _scratch(self, index: int, node: Node, bottom: Shapes) -> dict[str, Any]:
        in_place = self._plan.memory.works_in_place(index)
        declared = node.layer.scratch(bottom, in_place)
        views = {
            name: self._view("scratch", f"{index}/{name}", wanted.shape)
            for name, wanted in declared.items()
        }
        return {name: view for name, view in views.items() if view is not None}


def _wanted(blobs: Sequence[Blob], wanted: Sequence[bool]) -> list[Any]:
    return [blob.diff if want else None for blob, want in zip(blobs, wanted)]


def node_params(node: Node, params: Sequence[Blob]) -> list[Blob]:
    """A layer's own views of its parameters, out of all of the net's."""
    own = zip(node.params, node.param_shapes)
    return [params[p].reshaped(shape) for p, shape in own]
