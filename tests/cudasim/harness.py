"""CudaOps for NumPy arrays, so that any test of a backend can run on it.

    def test_relu(machine):
        def call(ops):
            ops.relu(x, y := np.full_like(x, np.nan))
            return [y]

        machine.agree(call)

Every argument that is an array, or a sequence or a dataclass with arrays in it, is
copied to the device, and back when the operation has run.  Arrays that are one in the
test are one on the device; so are views of the same elements.  Arrays of float64 travel
as float32, which is all that the backend takes: choose tolerances accordingly.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from netspec.backends.numpy_ops import NumpyOps
from netspec.backends.reference.update import Steps
from tests.cudasim.emulator import SCHEDULES, Watching
from tests.cudasim.standin import World

Call = Callable[[Any], Sequence[Any]]


class Machine:
    """Where operations run: on the stand-in, or on a GPU.

    Args:
        world: the stand-in's; None: a GPU.
    """

    def __init__(self, world: World | None) -> None:
        self.world = world
        self.ops = HostOps()

    def agree(
        self, call: Call, relative: float = 1e-6, absolute: float | None = None
    ) -> list[np.ndarray]:
        """Run operations here and by the reference, and compare what they give.

        On the stand-in they run in three orders of threads and blocks, which must give
        the same bits, and once with every access checked.

        Args:
            call: takes the operations, returns arrays.
            relative, absolute: how far each element may be off; *relative* alone is
                of an array's largest element as well, as sums of float32 allow.

        Returns:
            What was found here.
        """
        found = self._run(call)
        for ours, theirs in zip(found, call(NumpyOps()), strict=True):
            theirs = np.asarray(theirs)
            largest = np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0)
            nearly = relative * largest if absolute is None else absolute
            np.testing.assert_allclose(ours, theirs, rtol=relative, atol=nearly)
        return found

    def _run(self, call: Call) -> list[np.ndarray]:
        if self.world is None:
            return [np.asarray(array) for array in call(self.ops)]
        runs = []
        for schedule in SCHEDULES:
            with self.world.changed(watching=Watching(schedule)):
                runs.append([np.array(array) for array in call(self.ops)])
        for other in runs[1:]:
            for first, array in zip(runs[0], other, strict=True):
                assert first.tobytes() == array.tobytes(), "the order of threads shows"
        with self.world.changed(mode="check", watching=Watching(checks=True)):
            call(self.ops)
        return runs[0]


class HostOps:
    """All operations of :class:`CudaOps`, on NumPy arrays.

    Args:
        settings: of :class:`CudaOps`.
    """

    name = "cuda"

    def __init__(self, **settings: Any) -> None:
        from netspec.backends.cuda import CudaOps

        self.ops = CudaOps(**settings)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = getattr(self.ops, name)

        def run(*args: Any, **kwargs: Any) -> Any:
            visit = _Visit()
            found = operation(
                *(visit.there(a) for a in args),
                **{key: visit.there(a) for key, a in kwargs.items()},
            )
            visit.back()
            return _downloaded(found)

        return run

    def suppress(self, *args: Any) -> np.ndarray:
        return self.ops.suppress(*args)  # takes the host's arrays itself

    def download(self, x: np.ndarray) -> np.ndarray:
        return x

    def upload(self, host: np.ndarray, y: np.ndarray) -> None:
        visit = _Visit()
        self.ops.upload(np.asarray(host), visit.there(y))
        visit.back()


class _Visit:
    """The arrays of one call, here and on the device."""

    def __init__(self) -> None:
        self._trips: dict[Any, _Trip] = {}

    def there(self, value: Any) -> Any:
        """An argument as the device takes it."""
        if isinstance(value, np.float32):  # made of scalar arrays
            value = np.asarray(value)
        if isinstance(value, np.ndarray):
            return self._array(value)
        if isinstance(value, (list, tuple)) and _holds_arrays(value):
            return type(value)(self.there(v) for v in value)
        if isinstance(value, Steps):
            return value  # the host's, on every backend
        if dataclasses.is_dataclass(value) and _holds_arrays(vars(value).values()):
            fields = {name: self.there(v) for name, v in vars(value).items()}
            return dataclasses.replace(value, **fields)
        return value

    def _array(self, host: np.ndarray) -> Any:
        key = _memory(host)
        if key not in self._trips:
            self._trips[key] = _Trip(host)
        return self._trips[key].device.reshape(host.shape)

    def back(self) -> None:
        """Copy what has changed back into its place."""
        for trip in self._trips.values():
            trip.back()


class _Trip:
    """An array that goes to the device and back."""

    def __init__(self, host: np.ndarray) -> None:
        import cupy

        dtype = np.float32 if host.dtype == np.float64 else host.dtype
        self.host = host
        self.sent = np.array(host, dtype, order="C")
        self.device = cupy.asarray(self.sent)

    def back(self) -> None:
        found = self.device.get()
        if found.tobytes() != self.sent.tobytes():
            self.host[...] = found.reshape(self.host.shape)


def _memory(host: np.ndarray) -> Any:
    """What is the same for all arrays of the same elements, in whatever shape."""
    if not host.size:
        return id(host)
    start = host.__array_interface__["data"][0]
    if host.flags.c_contiguous:
        return start, host.nbytes, host.dtype
    return start, host.shape, host.strides


def _holds_arrays(values: Iterable[Any]) -> bool:
    return any(
        isinstance(v, np.ndarray) or (isinstance(v, (list, tuple)) and _holds_arrays(v))
        for v in values
    )


def _downloaded(value: Any) -> Any:
    """What an operation returned, on the host."""
    return value.get() if hasattr(value, "get") else value
