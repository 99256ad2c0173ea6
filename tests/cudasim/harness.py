"""CudaOps for NumPy arrays, so that any test of a backend can run on it.

Every argument that is an array, or a sequence or a dataclass with arrays in it, is
copied to the device, and back when the operation has run.  Arrays that are one in the
test are one on the device; so are views of the same elements.  Arrays of float64 travel
as float32, which is all that the backend takes: choose tolerances accordingly.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from netspec.backends.reference.update import Steps


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

    def download(self, x: np.ndarray) -> np.ndarray:
        return x

    def upload(self, host: np.ndarray, y: np.ndarray) -> None:
        visit = _Visit()
        self.ops.upload(np.asarray(host), visit.there(y))
        visit.back()


class _Visit:
    """The arrays of one call, here and on the device."""

    def __init__(self) -> None:
        self._pairs: dict[Any, tuple[np.ndarray, Any]] = {}

    def there(self, value: Any) -> Any:
        """An argument as the device takes it."""
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
        import cupy

        place = host.__array_interface__["data"][0], host.shape, host.strides
        key = place if host.size else id(host)
        if key not in self._pairs:
            dtype = np.float32 if host.dtype == np.float64 else host.dtype
            self._pairs[key] = host, cupy.asarray(np.ascontiguousarray(host, dtype))
        return self._pairs[key][1].reshape(host.shape)

    def back(self) -> None:
        """Copy every array back into its place."""
        for host, device in self._pairs.values():
            if host.flags.writeable:
                host[...] = device.get().reshape(host.shape)


def _holds_arrays(values: Iterable[Any]) -> bool:
    return any(
        isinstance(v, np.ndarray) or (isinstance(v, (list, tuple)) and _holds_arrays(v))
        for v in values
    )


def _downloaded(value: Any) -> Any:
    """What an operation returned, on the host."""
    return value.get() if hasattr(value, "get") else value
