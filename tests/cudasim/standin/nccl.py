"""``cupy.cuda.nccl`` between threads or processes of one machine.

Whoever makes a unique id opens a hub: a socket, whose name is the id.  Every rank
connects to it; it adds what all have sent, in the order of ranks, and hands messages
on.  As in NCCL, calls are work on a stream, a send waits for its receiver unless it is
in a group, and all ranks must call the same collectives in the same order.

GPUs work by themselves: where a rank's host has no reason yet to wait for its own, and
another GPU waits for it, a thread of this process takes its part.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import tempfile
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Client, Connection, Listener
from typing import Any

import numpy as np

from tests.cudasim.standin import streams
from tests.cudasim.standin.world import world

NCCL_INT8 = NCCL_CHAR = 0
NCCL_UINT8 = 1
NCCL_INT32 = NCCL_INT = 2
NCCL_UINT32 = 3
NCCL_INT64 = 4
NCCL_UINT64 = 5
NCCL_FLOAT16 = NCCL_HALF = 6
NCCL_FLOAT32 = NCCL_FLOAT = 7
NCCL_FLOAT64 = NCCL_DOUBLE = 8
NCCL_SUM, NCCL_PROD, NCCL_MAX, NCCL_MIN = 0, 1, 2, 3

_DTYPES = dict(
    enumerate(
        np.dtype(name)
        for name in [
            "int8",
            "uint8",
            "int32",
            "uint32",
            "int64",
            "uint64",
            "float16",
            "float32",
            "float64",
        ]
    )
)
_REDUCTIONS: dict[int, Any] = {0: np.add, 1: np.multiply, 2: np.maximum, 3: np.minimum}
_ID_BYTES = 128
_PATIENCE = 60.0  # seconds that a rank waits for the others
_PAUSE = 0.02  # until their GPUs go on by themselves


class NcclError(RuntimeError):
    """An error of NCCL."""

    def __init__(self, what: str) -> None:
        super().__init__(f"NCCL_ERROR_INVALID_USAGE: {what}")


# -- the hub


class _Hub:
    """Where the ranks of one communicator meet."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="nccl-")
        self.address = os.path.join(self._folder, "hub")
        self._listener = Listener(self.address)
        self._changed = threading.Condition()
        self._rounds: dict[int, dict[int, Any]] = defaultdict(dict)
        self._messages: dict[tuple[int, int], deque[bytes]] = defaultdict(deque)
        self._taken: dict[tuple[int, int], int] = defaultdict(int)
        threading.Thread(target=self._accept, daemon=True).start()
        atexit.register(self._close)

    def _close(self) -> None:
        self._listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                own = (self._listener.accept(),)
                threading.Thread(target=self._serve, args=own, daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        try:
            while True:
                kind, *details = connection.recv()
                try:
                    answer = getattr(self, f"_{kind}")(*details)
                except NcclError as error:
                    answer = error
                connection.send(answer)
        except (EOFError, OSError):
            connection.close()

    def _wait(self, is_there: Callable[[], bool], what: str) -> None:
        if not self._changed.wait_for(is_there, _PATIENCE):
            raise NcclError(f"{what}: the other ranks do not call")

    def _meet(self, number: int, rank: int, size: int, call: Any, data: bytes) -> Any:
        """Give what a rank has, get what all have, in the order of ranks."""
        with self._changed:
            own = self._rounds[number]
            own[rank] = (call, data)
            self._changed.notify_all()
            self._wait(lambda: len(own) == size, f"collective {number}")
            if len({call for call, _ in own.values()}) > 1:
                raise NcclError(f"ranks call different collectives: {own}")
            return [own[i][1] for i in range(size)]

    def _send(self, source: int, target: int, data: bytes) -> int:
        """The number of the message, from 1."""
        with self._changed:
            box = source, target
            self._messages[box].append(data)
            self._changed.notify_all()
            return self._taken[box] + len(self._messages[box])

    def _await_taken(self, source: int, target: int, number: int) -> None:
        with self._changed:
            box = source, target
            self._wait(lambda: self._taken[box] >= number, f"send to rank {target}")

    def _receive(self, source: int, target: int) -> bytes:
        with self._changed:
            box = source, target
            self._wait(lambda: bool(self._messages[box]), f"recv from rank {source}")
            self._taken[box] += 1
            self._changed.notify_all()
            return self._messages[box].popleft()


_hubs: list[_Hub] = []


def get_unique_id() -> tuple[int, ...]:
    """A new meeting place, as 128 small numbers."""
    hub = _Hub()
    _hubs.append(hub)
    name = hub.address.encode().ljust(_ID_BYTES, b"\0")
    return tuple(np.frombuffer(name, np.int8).tolist())


# -- groups of calls

_group = threading.local()


def groupStart() -> None:
    """Calls up to the end of the group are one."""
    _group.depth = getattr(_group, "depth", 0) + 1
    if _group.depth == 1:
        _group.calls = []


def groupEnd() -> None:
    """Queue the calls of the group."""
    _group.depth -= 1
    if _group.depth:
        return
    by_stream: dict[int, list[_Call]] = defaultdict(list)
    for call in _group.calls:
        by_stream[call.stream].append(call)
    for stream, calls in by_stream.items():
        streams.submit(streams.Meeting(partial(_run, calls)), stream)


class _Call:
    """One call, in its steps: what must not wait for anybody goes first."""

    def __init__(self, stream: int, *steps: Callable[[], None]) -> None:
        self.stream, self.steps = stream, steps


def _run(calls: list[_Call]) -> None:
    longest = max(len(call.steps) for call in calls)
    for number in range(longest):
        for call in calls:
            if number < len(call.steps):
                call.steps[number]()


def _queue(call: _Call) -> None:
    if getattr(_group, "depth", 0):
        _group.calls.append(call)
    else:
        streams.submit(streams.Meeting(partial(_run, [call])), call.stream)


# -- communicators


class NcclCommunicator:
    """One rank."""

    def __init__(self, ndev: int, commId: tuple[int, ...], rank: int) -> None:
        if not isinstance(commId, tuple) or len(commId) != _ID_BYTES:
            raise TypeError("commId is a tuple of 128 numbers, from get_unique_id()")
        if not 0 <= rank < ndev:
            raise NcclError(f"rank {rank} of {ndev}")
        address = np.array(commId, np.int8).tobytes().rstrip(b"\0").decode()
        self._connection = Client(address)
        self._turn = threading.Lock()
        self._streams: set[int] = set()  # that have had calls
        self._rank, self._size, self._device = rank, ndev, world().device
        self._round = 0
        # The ranks of this process.
        self._ranks = world().parts.setdefault(f"ranks of {address}", {})
        self._ranks[rank] = self
        self._meet(("init", ndev), b"")

    def rank_id(self) -> int:
        return self._rank

    def size(self) -> int:
        return self._size

    def device_id(self) -> int:
        return self._device

    def check_async_error(self) -> None:
        pass

    def destroy(self) -> None:
        self._connection.close()

    abort = destroy

    def _ask(self, peers: Iterable[int], *request: Any) -> Any:
        """What the hub answers, which may need calls of other ranks."""
        answered = threading.Event()
        with self._turn:
            self._connection.send(request)
            if not self._connection.poll(_PAUSE):
                self._have_work(peers, answered)
            try:
                answer = self._connection.recv()
            finally:
                answered.set()
        if isinstance(answer, NcclError):
            raise answer
        return answer

    def _have_work(self, peers: Iterable[int], answered: threading.Event) -> None:
        """Have the GPUs of other ranks work for which this one waits."""
        for peer in set(peers) & set(self._ranks) - {self._rank}:
            work = self._ranks[peer]._work
            thread = threading.Thread(target=work, args=(answered,), daemon=True)
            world().threads.append(thread)
            thread.start()

    def _work(self, answered: threading.Event) -> None:
        """Do what this rank's GPU has to, in a thread that stands for it."""
        while not answered.is_set():
            done = [streams.go_on(self._device, each) for each in list(self._streams)]
            if not any(done):
                answered.wait(_PAUSE)

    def _meet(self, call: Any, data: bytes) -> list[bytes]:
        self._round += 1
        mine = self._round, self._rank, self._size, call, data
        return self._ask(range(self._size), "meet", *mine)

    def _call(self, stream: int, *steps: Callable[[], None]) -> None:
        """Queue a call; its steps: what must not wait for anybody goes first."""
        self._streams.add(stream)
        _queue(_Call(stream, *steps))

    def allReduce(
        self,
        sendbuf: int,
        recvbuf: int,
        count: int,
        datatype: int,
        op: int,
        stream: int,
    ) -> None:
        dtype = _dtype(datatype)

        def run() -> None:
            call = ("allReduce", count, datatype, op)
            parts = self._meet(call, _read(sendbuf, count, dtype))
            _write(recvbuf, _reduced(parts, dtype, op))

        self._call(stream, run)

    def reduce(
        self,
        sendbuf: int,
        recvbuf: int,
        count: int,
        datatype: int,
        op: int,
        root: int,
        stream: int,
    ) -> None:
        dtype = _dtype(datatype)

        def run() -> None:
            call = ("reduce", count, datatype, op, root)
            parts = self._meet(call, _read(sendbuf, count, dtype))
            if self._rank == root:
                _write(recvbuf, _reduced(parts, dtype, op))

        self._call(stream, run)

    def broadcast(
        self,
        sendbuff: int,
        recvbuff: int,
        count: int,
        datatype: int,
        root: int,
        stream: int,
    ) -> None:
        dtype = _dtype(datatype)

        def run() -> None:
            data = _read(sendbuff, count, dtype) if self._rank == root else b""
            parts = self._meet(("broadcast", count, datatype, root), data)
            _write(recvbuff, parts[root])

        self._call(stream, run)

    def bcast(
        self, buff: int, count: int, datatype: int, root: int, stream: int
    ) -> None:
        self.broadcast(buff, buff, count, datatype, root, stream)

    def allGather(
        self, sendbuf: int, recvbuf: int, count: int, datatype: int, stream: int
    ) -> None:
        dtype = _dtype(datatype)

        def run() -> None:
            call = ("allGather", count, datatype)
            _write(recvbuf, b"".join(self._meet(call, _read(sendbuf, count, dtype))))

        self._call(stream, run)

    def reduceScatter(
        self,
        sendbuf: int,
        recvbuf: int,
        recvcount: int,
        datatype: int,
        op: int,
        stream: int,
    ) -> None:
        dtype = _dtype(datatype)

        def run() -> None:
            data = _read(sendbuf, recvcount * self._size, dtype)
            parts = self._meet(("reduceScatter", recvcount, datatype, op), data)
            sums = _reduced(parts, dtype, op)
            share = recvcount * dtype.itemsize
            _write(recvbuf, sums[self._rank * share : (self._rank + 1) * share])

        self._call(stream, run)

    def send(
        self, sendbuf: int, count: int, datatype: int, peer: int, stream: int
    ) -> None:
        dtype, number = _dtype(datatype), [0]

        def put() -> None:
            data = _read(sendbuf, count, dtype)
            number[0] = self._ask((), "send", self._rank, peer, data)

        def wait() -> None:
            self._ask((peer,), "await_taken", self._rank, peer, number[0])

        self._call(stream, put, lambda: None, wait)

    def recv(
        self, recvbuf: int, count: int, datatype: int, peer: int, stream: int
    ) -> None:
        dtype = _dtype(datatype)

        def take() -> None:
            data = self._ask((peer,), "receive", peer, self._rank)
            if len(data) != count * dtype.itemsize:
                raise NcclError(f"{len(data)} bytes came for {count} of {dtype}")
            _write(recvbuf, data)

        self._call(stream, lambda: None, take)


def _dtype(datatype: int) -> np.dtype:
    if datatype not in _DTYPES:
        raise NcclError(f"datatype {datatype}")
    return _DTYPES[datatype]


def _read(address: int, count: int, dtype: np.dtype) -> bytes:
    return ctypes.string_at(address, count * dtype.itemsize)


def _write(address: int, data: bytes) -> None:
    ctypes.memmove(address, data, len(data))


def _reduced(parts: list[bytes], dtype: np.dtype, op: int) -> bytes:
    numbers = [np.frombuffer(part, dtype) for part in parts]
    total = numbers[0].copy()
    for other in numbers[1:]:
        total = _REDUCTIONS[op](total, other)
    return total.tobytes()


def get_version() -> int:
    return 22907


def get_build_version() -> int:
    return 22907


def public() -> dict[str, Any]:
    """What ``cupy.cuda.nccl`` has."""
    names = [n for n in globals() if n.startswith("NCCL_")]
    functions = "get_unique_id groupStart groupEnd get_version get_build_version"
    names += [*functions.split(), "NcclCommunicator", "NcclError"]
    return {"available": True, **{n: globals()[n] for n in names}}
