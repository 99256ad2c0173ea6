"""What classes that users write see of a net, and leave to run them.

A prototxt names a module and a class, so whoever wrote it chooses the code that runs.
Nothing is imported for it unless the user has said so: by ``--allow-python``, or by
the argument ``allow_python`` of :class:`netspec.Net` and :class:`netspec.Solver`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from netspec.errors import SpecError
from netspec.proto import LayerParameter
from netspec.registry import suggest
from netspec.shapes import Shape, count

Array = Any
_LEGACY_AXES = 4


class UserBlob:
    """A blob as pycaffe shows it: ``data`` and ``diff`` of one shape, both writable.

    Before the net has memory, the arrays are made of zeros when first asked for.
    """

    def __init__(self, *shape: int) -> None:
        self._shape: Shape = ()
        self._data: Array | None = None
        self._diff: Array | None = None
        self.reshape(*shape)

    def reshape(self, *shape: int) -> None:
        """Give the blob another shape; its values are then undefined."""
        new = tuple(int(extent) for extent in shape)
        if new != self._shape:
            self._shape, self._data, self._diff = new, None, None

    def show(self, data: Array, diff: Array | None) -> None:
        """Show arrays of a net; a diff that is None is not wanted."""
        self._shape, self._data, self._diff = tuple(data.shape), data, diff

    @property
    def data(self) -> Array:
        """Values."""
        if self._data is None:
            self._data = np.zeros(self._shape, np.float32)
        return self._data

    @property
    def diff(self) -> Array:
        """Gradients."""
        if self._diff is None:
            self._diff = np.zeros(self._shape, self.data.dtype)
        return self._diff

    @property
    def shape(self) -> Shape:
        """Extents."""
        return self._shape

    @property
    def count(self) -> int:
        """Number of elements."""
        return count(self._shape)

    num = property(lambda self: self._legacy(0), doc="First of four axes.")
    channels = property(lambda self: self._legacy(1), doc="Second of four axes.")
    height = property(lambda self: self._legacy(2), doc="Third of four axes.")
    width = property(lambda self: self._legacy(3), doc="Last of four axes.")

    def _legacy(self, axis: int) -> int:
        if len(self._shape) > _LEGACY_AXES:
            raise ValueError(f"a blob of {len(self._shape)} axes has no such extent")
        return self._shape[axis] if axis < len(self._shape) else 1


class UserBlobs(list[UserBlob]):
    """The parameters of a user's layer; pycaffe's BlobVec."""

    def add_blob(self, *shape: int) -> None:
        """Add a parameter; its values at the end of ``setup`` are what it starts as."""
        self.append(UserBlob(*shape))


Blobs = Sequence[UserBlob]


class UserLayer:
    """Base of layers written in Python: pycaffe's ``caffe.Layer``.

    Attributes:
        param_str: the text that the prototxt hands over.
        phase: 0 TRAIN, 1 TEST.
        blobs: the parameters.
    """

    type = "Python"
    param_str = ""
    phase = 0

    def __init__(self, layer_param: LayerParameter | None = None) -> None:
        self.blobs = UserBlobs()

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Called once, before the first ``reshape``: check the bottoms, add blobs."""

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Give the tops their shapes; called before every ``forward``."""
        raise NotImplementedError(f"{type(self).__name__} has no method 'reshape'")

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the data of the tops."""
        raise NotImplementedError(f"{type(self).__name__} has no method 'forward'")

    def backward(
        self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs
    ) -> None:
        """Fill the diff of bottoms that *propagate_down* names, and of ``blobs``."""
        raise NotImplementedError(f"{type(self).__name__} has no method 'backward'")


class UserCode:
    """Leave to run the Python layers of one net, and the objects made for them.

    A net that is reshaped keeps the objects, and with them what they remember.
    """

    def __init__(self) -> None:
        self._made: dict[str, UserLayer] = {}
        self._set_up: set[str] = set()

    def is_new(self, name: str) -> bool:
        """Whether a layer's object has yet to be set up: True once."""
        new = name not in self._set_up
        self._set_up.add(name)
        return new

    def layer(self, proto: LayerParameter, phase: int) -> UserLayer:
        """The object of a layer; made, but not set up, when first asked for.

        Raises:
            SpecError: there is no such module, or no such class in it.
        """
        if proto.name not in self._made:
            made = _find_class(proto)(proto)
            made.param_str, made.phase = proto.python_param.param_str, phase
            self._made[proto.name] = made
        return self._made[proto.name]


def _find_class(proto: LayerParameter) -> Callable[[LayerParameter], UserLayer]:
    name, wanted = proto.python_param.module, proto.python_param.layer
    if not all(part.isidentifier() for part in name.split(".")):
        raise _unfit("module", f"{name!r} is no name of a Python module.", "Name one.")
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        problem = f"there is no Python module {error.name!r}."
        remedy = "Add its folder to the environment variable PYTHONPATH."
        raise _unfit("module", problem, remedy) from None
    found = getattr(module, wanted, None)
    if not isinstance(found, type):
        classes = [n for n, value in vars(module).items() if isinstance(value, type)]
        problem = f"module {name!r} has no class {wanted!r}."
        raise _unfit("layer", problem, suggest(wanted, classes))
    return found


def _unfit(field: str, problem: str, remedy: str) -> SpecError:
    return SpecError(problem, remedy, field=f"python_param.{field}")
