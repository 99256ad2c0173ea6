"""The blobs of one net, and the shapes that inputs were given since its last pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netspec.errors import NetspecError, UsageError
from netspec.net import Blob as CoreBlob
from netspec.net import Net as CoreNet
from netspec.pycaffe.faults import BadValueError
from netspec.pycaffe.mirror import Mirrors, mirrors_of
from netspec.shapes import describe

Array = Any


class Store:
    """Gives out arrays by blob name.

    Args:
        core: the net; its memory is made anew whenever a shape changes.
    """

    def __init__(self, core: CoreNet) -> None:
        self.core = core
        self._waiting: dict[str, CoreBlob] = {}
        self._spare: dict[str, Array] = {}
        self._reach = len(core.graph.nodes) - 1  # last layer that knows these shapes

    def data(self, name: str) -> Array:
        """The values of a blob."""
        return self._mirrors.view(self._held(name).data)

    def put(self, name: str, values: Array) -> None:
        """Give a blob values of its shape."""
        self._mirrors.push()
        self.core.ops.feed(values, self.core.blobs[name].data)
        self._mirrors.pull()

    def diff(self, name: str) -> Array:
        """The gradient of a blob; where the net has none, zeros of the same shape."""
        held = self._held(name)
        if held.diff is not None:
            return self._mirrors.view(held.diff)
        spare = self._spare.get(name)
        if spare is None or spare.shape != held.shape:
            spare = self._spare[name] = np.zeros(held.shape, self.core.dtype)
        return spare

    def _held(self, name: str) -> CoreBlob:
        return self._waiting.get(name) or self.core.blobs[name]

    def reshape(self, name: str, shape: Sequence[int]) -> None:
        """Give a blob a shape, with the first of its values or, where it grows, zeros.

        The net takes it up in :meth:`settle`.

        Raises:
            BadValueError: an extent below 0.
        """
        new = tuple(int(extent) for extent in shape)
        if min(new, default=0) < 0:
            raise BadValueError(
                f"blob {name!r} is given the shape {describe(new)}.",
                "An extent is at least 0.",
            )
        if new == self._held(name).shape:
            return
        old = self.data(name)
        data, diff = (np.zeros(new, self.core.dtype) for _ in range(2))
        if data.size <= old.size:
            data[...] = old.ravel()[: data.size].reshape(new)
        self._waiting[name] = CoreBlob(data, diff)

    def settle(self, first: int = 0, last: int | None = None) -> None:
        """Let the net take up the shapes that wait; blobs keep values where they can.

        Memory of an input whose shape stays, or was given by :meth:`reshape`, remains
        the net's: views of it stay valid.

        Args:
            first, last: layers that the coming pass runs from and to; None: to the end.

        Raises:
            SpecError: a layer of the pass cannot take a shape; all is as before.
            UsageError: a shape was given to a blob that a layer before *first* makes.
        """
        last = len(self.core.graph.nodes) - 1 if last is None else last
        if not self._waiting and last <= self._reach:
            return
        self._mirrors.push()
        waiting, before = self._waiting, dict(self.core.blobs)
        tops = [top for node in self.core.graph.sources for top in node.tops]
        inputs = {top: self._placed(self._held(top)) for top in tops}
        if waiting.keys() & inputs.keys() or last > self._reach:
            self._reach = self._take_up(inputs, last)
        self._waiting = {}
        self._mirrors.forget()
        for name, blob in self.core.blobs.items():
            if name not in inputs:
                _copy(before[name], blob)
            elif name in waiting:
                self._mirrors.adopt(blob.data, waiting[name].data)
        self._check_made(waiting, first)

    @property
    def _mirrors(self) -> Mirrors:
        return mirrors_of(self.core)

    def _placed(self, blob: CoreBlob) -> CoreBlob:
        """A blob where the net computes: on its device, or as it is."""
        ops = self.core.ops
        if not (ops.runs_ahead and isinstance(blob.data, np.ndarray)):
            return blob
        arrays = [ops.zeros(blob.shape, self.core.dtype) for _ in range(2)]
        ops.upload(blob.data, arrays[0])
        ops.upload(blob.diff, arrays[1])
        return CoreBlob(*arrays)

    def _take_up(self, inputs: Mapping[str, CoreBlob], last: int) -> int:
        """Reshape the net, or as in Caffe the layers of the coming pass alone where
        later ones cannot take the shapes; returns the last that may be run."""
        self.core.lend(inputs)
        try:
            self.core.reshape(**{top: blob.shape for top, blob in inputs.items()})
        except NetspecError as error:
            try:
                self.core.reshape_first(last + 1, inputs)
            except NetspecError:
                raise error from None
            return last
        return len(self.core.graph.nodes) - 1

    def _check_made(self, waiting: Mapping[str, CoreBlob], first: int) -> None:
        """Refuse shapes of blobs that the pass would read and not make."""
        made = {top for node in self.core.graph.nodes[first:] for top in node.tops}
        for name, blob in waiting.items():
            shape = self.core.blobs[name].shape
            if name not in made and blob.shape != shape:
                raise UsageError(
                    f"blob {name!r} was given the shape {describe(blob.shape)}, and "
                    f"its layer makes it {describe(shape)}.",
                    "Reshape an input of the net, from which the other shapes follow.",
                )


def _copy(old: CoreBlob, new: CoreBlob) -> None:
    """Copy data and diff where the shape is still the same."""
    if old.shape != new.shape:
        return
    new.data[...] = old.data
    if old.diff is not None and new.diff is not None:
        new.diff[...] = old.diff
