"""Arrays between the host and the GPU, and making them.

Nothing here waits for the GPU but :meth:`download`, and what :meth:`begin_download`
returns.  Batches travel through pinned buffers, two of each size, on a stream of their
own: while kernels work on one batch, the next is copied.  Pictures that are transformed
on the GPU travel as bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import cupy
import numpy as np

from netspec.backends.cuda.transform import transform
from netspec.data.raw import RawPictures
from netspec.data.transform import Means
from netspec.errors import DeviceError
from netspec.shapes import Shape

Array = Any
Part = tuple[Array, Array]  # of the host, and one whose type and shape it is sent in

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
    """One top's batch under way: pinned, then on the GPU, then in its blob.

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

    def put(self, parts: Sequence[Part], take: Callable[..., None]) -> None:
        """Queue the copies of arrays, and what *take* does with them.

        Args:
            parts: together of this size; those of larger elements first.
            take: given them on the GPU, queues on the current stream what reads them.
        """
        alike = [like for _, like in parts]
        slot = self._slots[self._turn]
        self._turn = 1 - self._turn
        if slot.copied is not None:
            slot.copied.synchronize()
        self._stream.wait_event(slot.taken)
        for pinned_part, (host, _) in zip(_cut(slot.host, alike), parts):
            np.copyto(pinned_part, host, casting="unsafe")
        self._to_device(slot)
        current = cupy.cuda.get_current_stream()
        current.wait_event(slot.copied)
        take(*_cut(slot.device, alike))
        slot.taken = _recorded(current)

    def _to_device(self, slot: _Slot) -> None:
        source = slot.host.ctypes.data
        _copy(slot.device.data.ptr, source, self._size, _TO_DEVICE, self._stream)
        slot.copied = _recorded(self._stream)


def _cut(whole: Array, alike: Sequence[Array]) -> list[Array]:
    """Arrays of the types and shapes of others, one after the other in bytes."""
    ends = accumulate(like.nbytes for like in alike)
    return [
        whole[end - like.nbytes : end].view(like.dtype).reshape(like.shape)
        for end, like in zip(ends, alike)
    ]


class CudaTransferOps:
    """Making arrays on the GPU, and copying them from and to the host.

    Attributes:
        number: of the GPU.
    """

    runs_ahead = True
    transforms = True
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
        if isinstance(host, RawPictures):
            self._feed_raw(host, y)
            return

        def take(sent: Array) -> None:
            current = cupy.cuda.get_current_stream()
            _copy(y.data.ptr, sent.data.ptr, y.nbytes, _WITHIN, current)

        self._feed_parts([(host, y)], take)

    def _feed_raw(self, host: RawPictures, y: Array) -> None:
        """Upload pictures as bytes, and transform them into *y*."""
        mean, scale = self._mean(host.transform.means), host.transform.scale

        def take(places: Array, pixels: Array) -> None:
            transform(places, pixels, mean, scale, y)

        self._feed_parts([(each, each) for each in (host.places, host.pixels)], take)

    def _feed_parts(self, parts: Sequence[Part], take: Callable[..., None]) -> None:
        feeders: dict[int, Feeder] = vars(self).setdefault("_feeders", {})
        size = sum(like.nbytes for _, like in parts)
        if size not in feeders:
            feeders[size] = Feeder(size, self._copying)
        feeders[size].put(parts, take)

    def _mean(self, means: Means) -> Array:
        """What is subtracted from pictures, on the GPU; uploaded once."""
        held: dict[int, tuple[Means, Array]] = vars(self).setdefault("_means", {})
        if id(means) not in held:  # and no other can have its id as long as it is held
            host = means.pixel if means.image is None else means.image
            held[id(means)] = means, cupy.asarray(host, np.float32)
        return held[id(means)][1]

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
