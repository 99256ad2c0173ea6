"""Ranks whose arrays lie on GPUs: NCCL carries those, MPI everything else.

NCCL has sums of its own, in an order of its own. So it only sends and receives here,
and the tree of :mod:`netspec.sync.tree` is added up by our kernels, on a stream beside
that of the net: the bits are those that one GPU computes.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cupy
import numpy as np

from netspec.errors import DeviceError, UsageError
from netspec.sync.base import Array, Synchronizer
from netspec.sync.doubling import Messages, reduce_tree, share_parts
from netspec.sync.messages import share_bytes

_ID_BYTES = 128
_BYTE = 0  # ncclInt8: what is sent is not NCCL's concern


def load_nccl() -> Any:
    """CuPy's NCCL module.

    Raises:
        UsageError: the library is missing.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CuPy's own word on what is said below
        from cupy.cuda import nccl
    if not getattr(nccl, "available", True) or not hasattr(nccl, "get_unique_id"):
        major = cupy.cuda.runtime.runtimeGetVersion() // 1000
        raise UsageError(
            "several GPUs need NCCL, which is not installed.",
            f"Install it: pip install nvidia-nccl-cu{major}.",
        )
    return nccl


class Nccl:
    """One rank with a GPU; see :class:`netspec.sync.Synchronizer`.

    Nothing that concerns an array on the GPU makes the host wait: it is queued, and
    the stream that computes waits in :meth:`finish`.

    Args:
        host: the same ranks for arrays of the host; MPI.
        ops: of this rank's GPU.

    Raises:
        UsageError: NCCL is missing.
        DeviceError: the GPUs cannot reach each other.
    """

    def __init__(self, host: Synchronizer, ops: Any) -> None:
        self._host, self._ops = host, ops
        self.rank, self.size = host.rank, host.size
        nccl = load_nccl()
        self.library = f"{getattr(host, 'library', '')}, {_version(nccl)}".strip(", ")
        self._stream = cupy.cuda.Stream(non_blocking=True)
        self._port = _NcclPort(nccl, self._communicator(nccl), self._stream, self._ops)
        self.shared = None  # GPUs have memory of their own
        self._spans: deque[tuple[Any, Any]] = deque()
        self._busy = 0.0

    def _communicator(self, nccl: Any) -> Any:
        """All ranks' NCCL, which find each other by an id that rank 0 makes."""
        own = nccl.get_unique_id() if self.rank == 0 else ()
        shared = share_bytes(self._host, np.array(own, np.int8).tobytes())
        name = tuple(np.frombuffer(shared, np.int8).tolist())
        try:
            return nccl.NcclCommunicator(self.size, name, self.rank)
        except nccl.NcclError as error:
            raise DeviceError(
                f"NCCL does not join the GPUs of {self.size} ranks: {error}.",
                "Each rank needs a GPU of its own; NCCL_DEBUG=INFO tells more.",
            ) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)  # places, neighbours ...

    @property
    def busy(self) -> float:
        """Seconds spent on buckets, as far as they are known to be summed."""
        while self._spans and self._spans[0][1].done:
            self._busy += self._ops.seconds(*self._spans.popleft())
        return self._busy + self._host.busy

    def reduce(self, bucket: Array) -> None:
        """See :class:`netspec.sync.Synchronizer`."""
        if isinstance(bucket, np.ndarray):
            self._host.reduce(bucket)
            return
        with self._beside(), self._stream:
            self._port.reduce(bucket)

    def begin(
        self, bucket: Array, then: Callable[[slice], None], result: Array | None = None
    ) -> None:
        """See :class:`netspec.sync.Synchronizer`; *then* queues what follows."""
        if isinstance(bucket, np.ndarray):
            self._host.begin(bucket, then, result)
            return
        self._follow(self._stream, cupy.cuda.get_current_stream())
        with self._stream:
            start = self._ops.mark()
            self._port.reduce(bucket, then, result)
            self._spans.append((start, self._ops.mark()))

    def complete(self, values: Array) -> None:
        """See :class:`netspec.sync.Synchronizer`."""
        if isinstance(values, np.ndarray):
            self._host.complete(values)
            return
        with self._beside(), self._stream:
            share_parts(self._port, values)

    def finish(self) -> None:
        """See :class:`netspec.sync.Synchronizer`."""
        self._host.finish()
        self._follow(cupy.cuda.get_current_stream(), self._stream)

    def broadcast(self, bucket: Array, root: int = 0) -> None:
        """See :class:`netspec.sync.Synchronizer`."""
        if isinstance(bucket, np.ndarray):
            self._host.broadcast(bucket, root)
            return
        with self._beside():
            self._port.broadcast(bucket, root)

    def barrier(self) -> None:
        """See :class:`netspec.sync.Synchronizer`."""
        self._host.barrier()

    def note(self, activity: str) -> None:
        """See :class:`netspec.sync.Synchronizer`."""
        self._host.note(activity)

    @contextmanager
    def _beside(self) -> Iterator[None]:
        """What is queued within comes after what was, and before what will be."""
        current = cupy.cuda.get_current_stream()
        self._follow(self._stream, current)
        yield
        self._follow(current, self._stream)

    def _follow(self, later: Any, earlier: Any) -> None:
        """Let a stream wait for all that another has been given."""
        done = cupy.cuda.Event(disable_timing=True)
        done.record(earlier)
        later.wait_event(done)


class _NcclPort(Messages):
    """Sends and receives on one stream; see :class:`netspec.sync.doubling.Port`."""

    def __init__(self, nccl: Any, communicator: Any, stream: Any, ops: Any) -> None:
        self._nccl, self._comm, self._stream = nccl, communicator, stream
        self._ops = ops
        self.rank, self.size = communicator.rank_id(), communicator.size()
        self._spare: Array = None

    def reduce(
        self,
        bucket: Array,
        then: Callable[[slice], None] = lambda part: None,
        result: Array | None = None,
    ) -> None:
        """See :func:`netspec.sync.doubling.reduce_tree`."""
        if self._spare is None or self._spare.nbytes < bucket.nbytes:
            self._spare = cupy.empty(bucket.nbytes, "uint8")
        spare = self._spare[: bucket.nbytes].view(bucket.dtype)
        reduce_tree(self, bucket, spare, then, result)

    def send(self, partner: int, values: Array) -> None:
        """See :class:`netspec.sync.doubling.Port`."""
        pointer, count = values.data.ptr, values.nbytes
        self._comm.send(pointer, count, _BYTE, partner, self._stream.ptr)

    def receive(self, partner: int, into: Array) -> None:
        """See :class:`netspec.sync.doubling.Port`."""
        pointer, count = into.data.ptr, into.nbytes
        self._comm.recv(pointer, count, _BYTE, partner, self._stream.ptr)

    def swap(self, partner: int, values: Array, into: Array) -> None:
        """See :class:`netspec.sync.doubling.Port`."""
        self._nccl.groupStart()
        self.send(partner, values)
        self.receive(partner, into)
        self._nccl.groupEnd()

    def add(self, into: Array, values: Array) -> None:
        """See :class:`netspec.sync.doubling.Port`."""
        self._ops.add(into, values, into)

    def broadcast(self, bucket: Array, root: int) -> None:
        """Give all ranks what *root* has."""
        pointer, count = bucket.data.ptr, bucket.nbytes
        self._comm.bcast(pointer, count, _BYTE, root, self._stream.ptr)


def _version(nccl: Any) -> str:
    """22907 as "NCCL 2.29.7"."""
    number = nccl.get_version()
    return f"NCCL {number // 10000}.{number // 100 % 100}.{number % 100}"
