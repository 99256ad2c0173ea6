"""Streams and events: queues of work for a GPU.

In order "at once" work runs as it is queued.  In the others it runs when somebody
waits for it, the host or another GPU, and then only what that wait, and the waits of
its own stream, ask for.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.cudasim.standin.world import world

Work = Callable[[], None]

_pointers = itertools.count(0x5000, 16)


@dataclass(frozen=True)
class Meeting:
    """Work that waits for other ranks."""

    work: Work

    def __call__(self) -> None:
        self.work()


@dataclass(frozen=True)
class Behind:
    """A wait for another stream, until it has done its work up to a number."""

    queue: Queue
    number: int

    def __call__(self) -> None:
        self.queue.run(self.number)


class Queue:
    """The work of one stream, numbered from 1 in the order in which it was queued.

    Any thread may have it done, and one at a time does.
    """

    def __init__(self, device: int, pointer: int, is_blocking: bool) -> None:
        self.device, self.pointer, self.is_blocking = device, pointer, is_blocking
        self.queued = self.done = 0
        self._work: deque[Work] = deque()
        self._changed = threading.Condition()
        self._worker: int | None = None  # the thread that is at it
        self.failure: Exception | None = None

    @property
    def is_null(self) -> bool:
        """Whether it is the legacy default stream, which waits for blocking ones."""
        return self.pointer == 0

    def put(self, work: Work) -> None:
        self._work.append(work)
        self.queued += 1
        if world().settings.order == "at once":
            self.run(self.queued)

    def run(self, upto: int | None = None) -> None:
        """Have done what was queued, up to that number."""
        upto = self.queued if upto is None else upto
        while self._do_one(upto):
            pass

    def _do_one(self, upto: int) -> bool:
        """Do a piece of work, if it is wanted; whether it was."""
        own = threading.get_ident()
        with self._changed:
            while self.done < upto and self._worker not in (None, own):
                self._changed.wait()
            if self.failure:
                raise self.failure
            if self.done >= upto or not self._work:
                return False
            before, self._worker = self._worker, own
            work = self._work.popleft()
        self._do(work, before)
        return True

    def _do(self, work: Work, before: int | None) -> None:
        try:
            work()
            self.done += 1
        finally:
            with self._changed:
                self._worker = before
                self._changed.notify_all()

    def nudge(self) -> None:
        """Do a piece of work, if one can be done without a wait for anybody."""
        with self._changed:
            first = self._work[0] if self._work and self._worker is None else None
            if first is None or isinstance(first, Meeting):
                return
            waits = isinstance(first, Behind) and first.queue.done < first.number
            if not waits:
                self._worker = threading.get_ident()
                self._work.popleft()
        if waits:
            first.queue.nudge()
        else:
            self._do(first, None)


def _queues() -> dict[Any, Queue]:
    return world().parts.setdefault("queues", {})


def _queue(device: int, pointer: int) -> Queue:
    queues = _queues()
    if pointer == 0:
        return queues.setdefault((device, 0), Queue(device, 0, True))
    if pointer not in queues:
        raise runtime_error("cudaErrorInvalidResourceHandle", "invalid resource handle")
    return queues[pointer]


def runtime_error(name: str, text: str) -> RuntimeError:
    """An error as the CUDA runtime's are shown."""
    from tests.cudasim.standin.runtime import CUDARuntimeError

    return CUDARuntimeError(f"{name}: {text}")


def submit(work: Work, pointer: int | None = None) -> None:
    """Queue work on a stream, the current one unless another is named.

    Raises:
        CUDARuntimeError: the stream is of another GPU than the current one.
    """
    device = world().device
    pointer = get_current_stream().ptr if pointer is None else pointer
    queue = _queue(device, pointer)
    if queue.device != device:
        raise runtime_error(
            "cudaErrorInvalidResourceHandle",
            f"a stream of device {queue.device} is used on device {device}",
        )
    _wait_for_default(queue)
    queue.put(work)


def _wait_for_default(queue: Queue) -> None:
    """The rules of the legacy default stream: see the CUDA programming guide."""
    for other in list(_queues().values()):
        if other is queue or other.device != queue.device or not other.is_blocking:
            continue
        must_wait = queue.is_null or (other.is_null and queue.is_blocking)
        if must_wait and other.done < other.queued:
            queue.put(Behind(other, other.queued))


def wait(reason: str, queue: Queue, upto: int | None = None) -> None:
    """The host waits for a stream."""
    world().note_sync(reason)
    if world().settings.order == "others first":
        for other in list(_queues().values()):
            if other is not queue and other.device == queue.device:
                other.run()
    queue.run(upto)


def go_on(device: int, pointer: int) -> bool:
    """Do the next piece of a stream's work, as its GPU; whether there was one.

    What goes wrong is told to whoever waits for the stream next.
    """
    world().device = device
    queue = _queue(device, pointer)
    if queue.done >= queue.queued:
        return False
    try:
        queue.run(queue.done + 1)
    except Exception as error:
        queue.failure = error
    return queue.failure is None


def wait_for_device(reason: str) -> None:
    """The host waits for all streams of the current GPU."""
    world().note_sync(reason)
    for queue in list(_queues().values()):
        if queue.device == world().device:
            queue.run()


def wait_for_current(reason: str) -> None:
    """The host waits for the current stream."""
    device = world().device
    wait(reason, _queue(device, get_current_stream().ptr))


def wait_for_pointer(reason: str, pointer: int) -> None:
    wait(reason, _queue(world().device, pointer))


class Event:
    """A point in a stream's work."""

    def __init__(
        self,
        block: bool = False,
        disable_timing: bool = False,
        interprocess: bool = False,
    ) -> None:
        self.has_timing = not disable_timing
        self.device = world().device
        self.queue: Queue | None = None
        self.number = 0
        self.time: float | None = None
        self.ptr = next(_pointers)

    def record(self, stream: Any = None) -> None:
        """Mark what a stream has been given so far."""
        pointer = (get_current_stream() if stream is None else stream).ptr
        queue = _queue(world().device, pointer)
        self.time = None
        submit(self._take_time, pointer)
        self.queue, self.number = queue, queue.queued

    def _take_time(self) -> None:
        self.time = time.perf_counter()

    @property
    def done(self) -> bool:
        """Whether the work is done; a little of it is, at each question.

        Whoever asks does not wait: not for another rank either.
        """
        if self.queue is None:
            return True
        if self.queue.done < self.number:
            self.queue.nudge()
        return self.queue.done >= self.number

    def synchronize(self) -> None:
        if self.queue is not None:
            wait("Event.synchronize", self.queue, self.number)


def get_elapsed_time(start_event: Event, end_event: Event) -> float:
    """Milliseconds between two events."""
    if not (start_event.has_timing and end_event.has_timing):
        text = "an event was made with disable_timing"
        raise runtime_error("cudaErrorInvalidResourceHandle", text)
    if start_event.time is None or end_event.time is None:
        raise runtime_error("cudaErrorNotReady", "device not ready")
    return (end_event.time - start_event.time) * 1e3


class _Streams:
    """What all streams can do."""

    ptr: int

    @property
    def _own(self) -> Queue:
        return _queue(world().device, self.ptr)

    def __enter__(self) -> _Streams:
        _stack().append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _stack().pop()

    def use(self) -> _Streams:
        _stack()[-1:] = [self]
        return self

    @property
    def done(self) -> bool:
        return self._own.done >= self._own.queued

    def synchronize(self) -> None:
        wait("Stream.synchronize", self._own)

    def record(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Later work of this stream waits for what the event marks now."""
        queue, number = event.queue, event.number
        if queue is not None and queue is not self._own:
            submit(Behind(queue, number), self.ptr)

    def launch_host_func(self, callback: Callable[[Any], None], arg: Any) -> None:
        submit(lambda: callback(arg), self.ptr)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Streams) and other.ptr == self.ptr

    def __hash__(self) -> int:
        return hash(self.ptr)


class Stream(_Streams):
    """A stream of the current GPU."""

    null: Any = None

    def __init__(
        self,
        null: bool = False,
        non_blocking: bool = False,
        ptds: bool = False,
        priority: int | None = None,
    ) -> None:
        self.device_id = world().device
        self.is_non_blocking = non_blocking
        self.priority = priority or 0
        self.ptr = 0 if null else next(_pointers)
        if not null:
            queue = Queue(self.device_id, self.ptr, not non_blocking)
            _queues()[self.ptr] = queue


class ExternalStream(_Streams):
    """A stream by its address."""

    def __init__(self, ptr: int, device_id: int = -1) -> None:
        self.ptr = ptr
        self.device_id = device_id


class _NullStream(_Streams):
    """The default stream of whatever GPU is the current one."""

    ptr = 0
    device_id = -1


Stream.null = _NullStream()


def _stack() -> list[Any]:
    local = world().local
    if not hasattr(local, "streams"):
        local.streams = {}
    return local.streams.setdefault(world().device, [Stream.null])


def get_current_stream(device_id: int = -1) -> Any:
    """The stream on which the calling thread queues its work."""
    return _stack()[-1]
