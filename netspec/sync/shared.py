"""Memory that processes of one machine have in common, without a name or a file.

It is a ``memfd`` of Linux: a neighbour opens it through ``/proc`` while its owner keeps
the descriptor, and maps it.  The kernel takes it back with the last process that has
it mapped, however that ends, and no limit of a file system holds for it.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import secrets
import stat
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

_NAME = "netspec"
_TOKEN = 16  # bytes that only the segment and who was told of it have
_PAGE = mmap.PAGESIZE
_HUGE = 1 << 21  # bytes of a huge page; a mapping that starts elsewhere has none
_COLLAPSE = 25  # MADV_COLLAPSE of <linux/mman.h>: make huge pages now
_NORESERVE = 0x4000  # MAP_NORESERVE
_FIXED = 0x10  # MAP_FIXED
_WORLDS = ("pid", "net")  # kinds of namespaces: a container is a machine of its own


@dataclass(frozen=True)
class Offer:
    """What a neighbour needs to find a segment; all zeros: there is none.

    Attributes:
        machine: digest of what tells the owner's machine from others.
        process, descriptor: of its owner.
        size: bytes.
        token: stands behind them.
    """

    machine: bytes = b""
    process: int = 0
    descriptor: int = 0
    size: int = 0
    token: bytes = b""

    _FORM = struct.Struct(f"{_TOKEN}s3q{_TOKEN}s")
    LENGTH = _FORM.size

    def pack(self) -> bytes:
        """As many bytes as any."""
        numbers = (self.process, self.descriptor, self.size)
        return self._FORM.pack(self.machine, *numbers, self.token)

    @classmethod
    def unpack(cls, data: bytes) -> Offer:
        """What :meth:`pack` has made bytes of."""
        return cls(*cls._FORM.unpack(data))


class Segment:
    """Memory of this process, zeros at first, that neighbours may open until
    :meth:`close`; it is mapped as long as the process lives.

    Raises:
        OSError: this system has no such memory, or has none left.
    """

    def __init__(self, size: int) -> None:
        if sys.platform != "linux":
            raise OSError("memory without a name is Linux's")
        token = secrets.token_bytes(_TOKEN)
        machine = _machine()
        self._descriptor = os.memfd_create(_NAME)
        try:
            os.ftruncate(self._descriptor, _with_token(size))
            whole = _map(self._descriptor, _with_token(size), mmap.PROT_WRITE)
        except OSError:
            self.close()
            raise
        whole[-_TOKEN:] = np.frombuffer(token, np.uint8)
        self.bytes: Bytes = whole[:size]
        _enlarge_pages(self.bytes)
        self.offer = Offer(machine, os.getpid(), self._descriptor, size, token)

    def close(self) -> None:
        """Let nobody else open it."""
        os.close(self._descriptor)


def open_offer(offer: Offer) -> Bytes | None:
    """A neighbour's segment, to read; None: it is not this machine's, or out of reach.

    A process of that number may be anybody: what it has there is only looked at if it
    is called what it should be, and only read if it has the token.
    """
    with suppress(OSError):
        if not offer.size or offer.machine != _machine():
            return None
        path = f"/proc/{offer.process}/fd/{offer.descriptor}"
        if not os.readlink(path).startswith(f"/memfd:{_NAME}"):
            return None
        return _open(path, offer)
    return None


def _open(path: str, offer: Offer) -> Bytes | None:
    length = _with_token(offer.size)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size != length:
            return None
        whole = _map(descriptor, length, 0)
    finally:
        os.close(descriptor)
    return whole[: offer.size] if whole[-_TOKEN:].tobytes() == offer.token else None


def _with_token(size: int) -> int:
    """Bytes of a segment's pages, the last of which ends with the token."""
    return -(-(size + _TOKEN) // _PAGE) * _PAGE


def _machine() -> bytes:
    """What tells this machine from others, a container's from its host's."""
    with open("/proc/sys/kernel/random/boot_id", "rb") as file:
        found = blake2b(file.read(), digest_size=_TOKEN)
    for kind in _WORLDS:
        found.update(os.readlink(f"/proc/self/ns/{kind}").encode())
    return found.digest()


def _map(descriptor: int, length: int, more: int) -> Bytes:
    """Map a file to read, or for what else *more* says, from where a huge page may
    start."""
    reserved = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE
    base = _mmap(None, length + _HUGE, 0, reserved, -1)
    start = -(-base // _HUGE) * _HUGE
    _mmap(start, length, mmap.PROT_READ | more, mmap.MAP_SHARED | _FIXED, descriptor)
    memory = memoryview((ctypes.c_char * length).from_address(start))
    values = np.frombuffer(memory, np.uint8)
    values.flags.writeable = bool(more)
    return values


def _mmap(start: int | None, length: int, how: int, kind: int, descriptor: int) -> int:
    call = _libc().mmap
    call.restype = ctypes.c_void_p
    sizes = (ctypes.c_void_p(start), ctypes.c_size_t(length))
    found = call(*sizes, how, kind, descriptor, ctypes.c_long(0))
    if found is None or found == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "memory cannot be mapped")
    return int(found)


def _enlarge_pages(values: Bytes) -> None:
    """Have huge pages where the kernel gives any: walking through small ones takes a
    third longer.  It only makes those of which a part is there."""
    length = len(values) // _HUGE * _HUGE
    values[:length:_HUGE] = 0
    if length:
        address = ctypes.c_void_p(values.ctypes.data)
        _libc().madvise(address, ctypes.c_size_t(length), _COLLAPSE)


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)
