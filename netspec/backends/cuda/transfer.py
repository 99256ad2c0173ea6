"""Arrays between the host and the GPU, and making them.

Nothing here waits for the GPU but :meth:`download`, and what :meth:`begin_download`
returns.  Batches travel through pinned buffers, two of each size, on a stream of their
own: while kernels work on one batch, the next is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cupy
import numpy as np

from netspec.errors import DeviceError
from netspec.shapes import Shape

Array = Any

_TO_DEVICE, _TO_HOST, _WITHIN = 1, 2, 3  # cudaMemcpyKind


def pinned(size: int) -> np.ndarray[Any, Any]:
    """So many bytes of the host's memory that the GPU may copy from and to by itself.

    They go back to CuPy's pool with the last view of them.
    """
    return np.frombuffer(cupy.cuda.alloc_pinned_memory(max(1, size)), np.uint8, size)


def _copy(target: int, source: int, size: int, kind: int, stream: Any) -> None:
    """Queue a copy of bytes between addresses."""
    if size:
        cupy.cuda.runtime.memcpyAsync(target, source, size, kind, stream.ptr)


def _recorded(stream: Any = None) -> Any:
    """An event that marks what a stream, by default the current one, has been given."""
    event = cupy.cuda.Event(block=True, disable_timing=True)
    event.record(stream or cupy.cuda.get_current_stream())
    return event


@dataclass
class _Slot:
    """One batch under way: pinned, then on the GPU, then in its blob.

    Attributes:
        copied: recorded on the copying stream when the batch is on the GPU.
        taken: recorded on the computing stream when it is in its blob, or when the
            slot was made: its memory may have been another array's.
    """

    host: np.ndarray[Any, Any]
    device: Array
    taken: Any
    copied: Any = None


class Feeder:
    """Copies batches of one size to the GPU while it computes.

    The host gets ahead of the copies by two batches, and then waits.
    """

    def __init__(self, size: int, stream: Any) -> None:
        self._size, self._stream = size, stream
        buffers = [cupy.empty(size, "uint8") for _ in range(2)]
        self._slots = [_Slot(pinned(size), each, _recorded()) for each in buffers]
        self._turn = 0

    def put(self, host: Array, y: Array) -> None:
        """Queue the copy of *host* into *y*, which has this size."""
        slot = self._slots[self._turn]
        self._turn = 1 - self._turn
        if slot.copied is not None:
            slot.copied.synchronize()
        self._stream.wait_event(slot.taken)
        np.copyto(slot.host.view(y.dtype).reshape(y.shape), host, casting="unsafe")
        self._to_device(slot)
        current = cupy.cuda.get_current_stream()
        current.wait_event(slot.copied)
        _copy(y.data.ptr, slot.device.data.ptr, self._size, _WITHIN, current)
        slot.taken = _recorded(current)

    def _to_device(self, slot: _Slot) -> None:
        source = slot.host.ctypes.data
        _copy(slot.device.data.ptr, source, self._size, _TO_DEVICE, self._stream)
        slot.copied = _recorded(self._stream)


class CudaTransferOps:
    """Making arrays on the GPU, and copying them from and to the host.

    Attributes:
        number: of the GPU.
    """

    runs_ahead = True
    number = 0

    def use(self) -> None:
        """See :class:`MovementOps`."""
        cupy.cuda.Device(self.number).use()

    def mark(self) -> Any:
        """See :class:`MovementOps`: an event on the current stream."""
        event = cupy.cuda.Event(block=True)
        event.record(cupy.cuda.get_current_stream())
        return event

    def seconds(self, start: Any, end: Any) -> float:
        """See :class:`MovementOps`."""
        end.synchronize()
        return float(cupy.cuda.get_elapsed_time(start, end)) / 1e3

    def zeros(self, shape: int | Shape, dtype: str) -> Array:
        """See :class:`MovementOps`; OutOfMemoryError of CuPy is a MemoryError.

        Raises:
            DeviceError: float64, which no kernel takes.
        """
        if np.dtype(dtype) == np.float64:
            raise DeviceError(
                "a net of float64 is asked for, and a GPU computes in float32.",
                "Take dtype float32, or device cpu or numpy.",
            )
        return cupy.zeros(shape, dtype)

    def download(self, x: Array) -> Array:
        """See :class:`MovementOps`; waits for the GPU."""
        return x.get()

    def begin_download(self, x: Array) -> Callable[[], Array]:
        """See :class:`MovementOps`."""
        x = cupy.ascontiguousarray(x)
        host, stream = pinned(x.nbytes), cupy.cuda.get_current_stream()
        _copy(host.ctypes.data, x.data.ptr, x.nbytes, _TO_HOST, stream)
        done = _recorded(stream)

        def value() -> Array:
            done.synchronize()
            return host.view(x.dtype).reshape(x.shape).copy()

        return value

    def upload(self, host: Array, y: Array) -> None:
        """See :class:`MovementOps`."""
        if y.flags.c_contiguous:
            y.set(np.require(_fitted(host, y), requirements="C"))
        else:
            y[...] = cupy.asarray(_fitted(host, y))

    def feed(self, host: Array, y: Array) -> None:
        """See :class:`MovementOps`."""
        feeders: dict[int, Feeder] = vars(self).setdefault("_feeders", {})
        if y.nbytes not in feeders:
            feeders[y.nbytes] = Feeder(y.nbytes, self._copying)
        feeders[y.nbytes].put(host, y)

    @property
    def _copying(self) -> Any:
        """The stream that batches are copied on."""
        if "_stream" not in vars(self):
            self._stream = cupy.cuda.Stream(non_blocking=True)
        return self._stream

    @contextmanager
    def on_host(self, x: Array) -> Iterator[Array]:
        """See :class:`MovementOps`."""
        host = self.download(x)
        yield host
        self.upload(host, x)


def _fitted(host: Array, y: Array) -> Array:
    """A host's array in the type and shape of an array."""
    return np.broadcast_to(np.asarray(host, y.dtype), y.shape)
