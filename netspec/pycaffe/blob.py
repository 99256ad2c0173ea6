"""Blobs as pycaffe shows them: data and diff of what a net holds now.

A blob is a handle.  ``blob.data`` is a view of the net's memory: what a pass computes
appears in it, and what is written to it is computed with.  After a reshape the net has
new memory; a view taken before keeps the old memory alive, with the values it had.
Of a net on a GPU, see :mod:`netspec.pycaffe.mirror`.
"""

from __future__ import annotations

from typing import Any

from netspec.errors import UsageError
from netspec.net import Net as CoreNet
from netspec.pycaffe.mirror import mirrors_of
from netspec.pycaffe.store import Store
from netspec.shapes import Shape, count, describe

Array = Any
_LEGACY_AXES = 4


class Blob:
    """One blob: ``data`` and ``diff`` of one shape, both writable."""

    data: Array
    diff: Array

    def reshape(self, *shape: int) -> None:
        """Give the blob a new shape, at once."""
        raise NotImplementedError(type(self).__name__)

    @property
    def shape(self) -> Shape:
        """Shape of data and diff."""
        return tuple(self.data.shape)

    @property
    def count(self) -> int:
        """Number of elements."""
        return count(self.shape)

    @property
    def num(self) -> int:
        """First of four axes."""
        return self._axis(0)

    @property
    def channels(self) -> int:
        """Second of four axes."""
        return self._axis(1)

    @property
    def height(self) -> int:
        """Third of four axes."""
        return self._axis(2)

    @property
    def width(self) -> int:
        """Last of four axes."""
        return self._axis(3)

    def _axis(self, axis: int) -> int:
        """Extent of one of four axes; those that the blob does not have are 1."""
        shape = self.shape
        if len(shape) > _LEGACY_AXES:
            raise UsageError(
                f"a blob of shape {describe(shape)} has no num, channels, height and "
                "width.",
                "Use its shape.",
            )
        return shape[axis] if axis < len(shape) else 1

    def __repr__(self) -> str:
        return f"<Blob {describe(self.shape)}>"


class NetBlob(Blob):
    """A blob that layers of a net make or read."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._name = store, name

    @property
    def data(self) -> Array:  # type: ignore[override]
        """Values, a view of the net's memory."""
        return self._store.data(self._name)

    @property
    def diff(self) -> Array:  # type: ignore[override]
        """Gradients, likewise; zeros where the net has no use for any."""
        return self._store.diff(self._name)

    def reshape(self, *shape: int) -> None:
        """Give an input a new shape, at once; what follows, in the next pass.

        ``net.reshape()`` or the next forward infers all other shapes.
        """
        self._store.reshape(self._name, shape)


class ParamBlob(Blob):
    """A parameter of a layer.

    Args:
        index: of the parameter in the net's graph.
        shape: that the layer sees it in.
    """

    def __init__(self, core: CoreNet, index: int, shape: Shape) -> None:
        self._core, self._index, self._shape = core, index, shape

    @property
    def data(self) -> Array:  # type: ignore[override]
        """Values, a view of the net's memory."""
        return self._view(self._core.param_blobs[self._index].data)

    @property
    def diff(self) -> Array:  # type: ignore[override]
        """Gradients, likewise; a backward pass adds to them."""
        return self._view(self._core.param_blobs[self._index].diff)

    def _view(self, array: Array) -> Array:
        return mirrors_of(self._core).view(array.reshape(self._shape), lasts=True)

    def reshape(self, *shape: int) -> None:
        """Accept the shape that it has.

        Raises:
            UsageError: another shape; the layer decides it.
        """
        if shape != self._shape:
            raise UsageError(
                f"a parameter of shape {describe(self._shape)} cannot become "
                f"{describe(shape)}.",
                "Its shape follows from the layer: change the net.",
            )
