"""Which of several processes ended first, and how, whoever started them.

A launcher that loses a rank kills the others, and then names any of them.  Linux has
better witnesses: a descriptor of a process wakes who waits for it when it ends, and
``epoll`` keeps the order in which it was woken, also where nobody looked in between.
"""

from __future__ import annotations

import os
import select
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

_INFO = struct.Struct("QQ11Ii")  # struct pidfd_info of <linux/pidfd.h>, first version
_EXIT = 1 << 3  # PIDFD_INFO_EXIT
_GET_INFO = 3 << 30 | _INFO.size << 16 | 0xFF << 8 | 11  # PIDFD_GET_INFO


@dataclass(frozen=True)
class Death:
    """The end of a process.

    Attributes:
        status: as ``os.waitstatus_to_exitcode`` takes it; None: not known.
    """

    process: int
    status: int | None = None

    @property
    def signal(self) -> int:
        """The signal that ended it; 0: none, as far as is known."""
        ended = self.status is not None and os.WIFSIGNALED(self.status)
        return os.WTERMSIG(self.status) if ended and self.status else 0


class Deaths:
    """Watches processes; where a system cannot, none is ever known to have ended."""

    def __init__(self) -> None:
        able = hasattr(select, "epoll") and hasattr(os, "pidfd_open")
        self._epoll = select.epoll() if able else None
        self._watched: dict[int, int] = {}  # process by descriptor

    def watch(self, processes: Iterable[int]) -> None:
        """Watch these as well."""
        for process in set(processes) - set(self._watched.values()):
            with suppress(OSError):  # gone already, or an old kernel
                descriptor = os.pidfd_open(process)
                self._watched[descriptor] = process
                self._register(descriptor)

    def _register(self, descriptor: int) -> None:
        if self._epoll:
            self._epoll.register(descriptor, select.EPOLLIN)

    def first(self) -> Death | None:
        """The first that ended, of those that did so by a signal where that is known;
        to be asked once, when all is over."""
        if not self._epoll:
            return None
        ended = [
            Death(self._watched[descriptor], _status(descriptor))
            for descriptor, _ in self._epoll.poll(0, max(1, len(self._watched)))
        ]
        return next((d for d in ended if d.signal or d.status is None), None)

    def close(self) -> None:
        """Watch nobody any more."""
        for descriptor in self._watched:
            os.close(descriptor)
        self._watched.clear()
        if self._epoll:
            self._epoll.close()


def _status(descriptor: int) -> int | None:
    """How a process ended, if the kernel tells: Linux 6.15 and later."""
    import fcntl  # which Windows does not have

    asked = _INFO.pack(_EXIT, *(0,) * 13)
    with suppress(OSError):
        found = _INFO.unpack(fcntl.ioctl(descriptor, _GET_INFO, asked))
        return int(found[-1]) if found[0] & _EXIT else None
    return None
