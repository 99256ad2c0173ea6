"""Forward and backward passes of a net, whole or in part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from netspec.pycaffe import batching
from netspec.pycaffe.course import Course
from netspec.pycaffe.faults import BadValueError, unknown
from netspec.pycaffe.mirror import mirrors_of
from netspec.pycaffe.net_names import NetNames
from netspec.pycaffe.store import Store
from netspec.pycaffe.supply import Supply
from netspec.shapes import describe

Array = Any
Arrays = dict[str, Array]


class NetPasses(NetNames):
    """The part of :class:`~netspec.pycaffe.Net` that runs layers."""

    _lock: Any
    _store: Store
    _supply: Supply
    _course: Course
    _passes: int  # forward passes so far: random layers draw anew in each

    def forward(
        self,
        blobs: Iterable[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        **inputs: Array,
    ) -> Arrays:
        """Run the net, or the layers from *start* to *end*.

        Args:
            blobs: more blobs to return.
            start, end: names of the first and the last layer to run.
            inputs: an array for every input of the net, or none for any.

        Returns:
            Copies of the outputs (of the tops of *end*) and of *blobs*, by name. Views
            that go on changing are ``net.blobs[name].data``.
        """
        with self._lock:
            first = 0 if start is None else self._structure.layer(start)
            last = self._last if end is None else self._structure.layer(end)
            tops = self.outputs if end is None else self.top_names[end]
            names = self._known([*tops, *(blobs or ())])
            self._put(inputs, self.inputs, "input", Store.data)
            self._forward(first, last)
            return {name: self._store.data(name).copy() for name in names}

    def backward(
        self,
        diffs: Iterable[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        **tops: Array,
    ) -> Arrays:
        """Run the net backward, or the layers from *start* down to *end*.

        Gradients of parameters are added to what is there: see
        :meth:`clear_param_diffs`.

        Args:
            diffs: more blobs whose gradients to return.
            start, end: names of the first and the last layer to run.
            tops: a gradient for every output of the net, or none for any.

        Returns:
            Copies of the gradients of the inputs (of the bottoms of *end*) and of
            *diffs*, by name.
        """
        with self._lock:
            first = self._last if start is None else self._structure.layer(start)
            last = 0 if end is None else self._structure.layer(end)
            bottoms = self.inputs if end is None else self.bottom_names[end]
            names = self._known([*bottoms, *(diffs or ())])
            self._put(tops, self.outputs, "output", Store.diff)
            self._backward(first, last)
            return {name: self._store.diff(name).copy() for name in names}

    def forward_all(
        self, blobs: Iterable[str] | None = None, **inputs: Array
    ) -> Arrays:
        """Run any number of inputs through the net, batch by batch.

        Returns:
            Outputs and *blobs*, with a row for every row of the inputs.
        """
        with self._lock:
            return batching.forward_all(self, list(blobs or ()), inputs)

    def forward_backward_all(
        self,
        blobs: Iterable[str] | None = None,
        diffs: Iterable[str] | None = None,
        **given: Array,
    ) -> tuple[Arrays, Arrays]:
        """The same, forward and backward; *given* are inputs and gradients of outputs.

        Returns:
            Outputs and *blobs*; gradients of inputs and *diffs*.
        """
        with self._lock:
            return batching.forward_backward_all(
                self, list(blobs or ()), list(diffs or ()), given
            )

    def _forward(self, start: int, end: int) -> float:
        """Run layers by number; returns the loss of those layers."""
        with self._lock:
            nodes = self._core.graph.nodes[start : end + 1]
            taken = self._supply.take(node.name for node in nodes)
            for name, values in taken.items():
                self._store.reshape(name, values.shape)
            self._store.settle(start, end)
            for name, values in taken.items():
                self._store.put(name, values)
            self._core.begin_pass(iteration=self._passes)
            self._passes += 1
            with mirrors_of(self._core).in_step():
                return self._course.forward(start, end)()

    def _backward(self, start: int, end: int) -> None:
        """Run layers backward by number."""
        with self._lock:
            self._store.settle(last=start)
            with mirrors_of(self._core).in_step():
                self._course.backward(start, end)

    @property
    def _last(self) -> int:
        return len(self._core.graph.nodes) - 1

    def _known(self, names: Iterable[str]) -> list[str]:
        """Names of blobs, each once."""
        found = list(dict.fromkeys(names))
        for name in found:
            if name not in self.blobs:
                raise unknown("blob", name, self.blobs)
        return found

    def _put(
        self,
        arrays: Mapping[str, Array],
        wanted: list[str],
        kind: str,
        view: Callable[[Store, str], Array],
    ) -> None:
        """Copy arrays into blobs: all that are wanted, or none."""
        for name in arrays:
            if name not in wanted:
                raise unknown(f"{kind} of the net", name, wanted)
        missing = [name for name in wanted if arrays and name not in arrays]
        if missing:
            raise BadValueError(
                f"no array is given for {kind} {missing[0]!r}.",
                f"Give one for each {kind}, or for none: {', '.join(wanted)}.",
            )
        for name, array in arrays.items():
            _fit(view(self._store, name), np.asarray(array), f"{kind} {name!r}")

    def _batch(self, blobs: Mapping[str, Array]) -> Iterator[Arrays]:
        return batching.batches(blobs, self.batch_size)


def _fit(blob: Array, array: Array, what: str) -> None:
    """Copy an array into a blob, along axes of length 1 as NumPy does."""
    with suppress(ValueError):
        if array.shape[:1] == blob.shape[:1]:
            blob[...] = array
            return
    raise BadValueError(
        f"{what} has shape {describe(blob.shape)}, and is given "
        f"{describe(array.shape)}.",
        "Give an array of that shape, or reshape the blob first.",
    )
