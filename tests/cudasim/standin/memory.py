"""Memory of the GPUs and pinned memory of the host, in pools as CuPy's.

A freed block is the next one given out of its size, at once, whether or not the GPU
has done with it; device memory only to the stream that it came from.  So use of freed
memory by another stream shows.  Fresh memory reads as NaN.
"""

from __future__ import annotations

import ctypes
from collections import defaultdict
from typing import Any

import numpy as np

from tests.cudasim.standin import streams
from tests.cudasim.standin.world import world

UNIT = 512  # bytes; CuPy's pools round up to these
_FRESH = 0xFF


class OutOfMemoryError(MemoryError):
    """As CuPy's."""

    def __init__(self, size: int, total: int, limit: int = 0) -> None:
        limits = f", limit set to: {limit:,} bytes" if limit else ""
        super().__init__(
            f"Out of memory allocating {size:,} bytes "
            f"(allocated so far: {total:,} bytes{limits})."
        )


class Block:
    """Bytes at an address."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._raw = np.full(size + UNIT, _FRESH, np.uint8)
        start = -self._raw.ctypes.data % UNIT
        self.bytes = self._raw[start : start + size]
        self.pointer = self.bytes.ctypes.data


def _rounded(size: int) -> int:
    return -(-max(size, 1) // UNIT) * UNIT


class _Pool:
    """Blocks of memory, used and free."""

    def __init__(self) -> None:
        self.free: dict[Any, list[Block]] = defaultdict(list)
        self.used = self.total = 0
        self.given: dict[int, int] = {}  # sizes of blocks in use, by address

    def take(self, key: Any, size: int) -> Block | None:
        blocks = self.free[key, size]
        return blocks.pop() if blocks else None

    def give(self, block: Block) -> Block:
        self.used += block.size
        self.given[block.pointer] = block.size
        return block

    def back(self, key: Any, block: Block) -> None:
        self.used -= block.size
        del self.given[block.pointer]
        self.free[key, block.size].append(block)

    def holds(self, pointer: int, size: int) -> bool:
        """Whether so many bytes at an address are in use."""
        return any(
            start <= pointer and pointer + size <= start + length
            for start, length in list(self.given.items())
        )

    def drop_free(self) -> None:
        self.total -= sum(b.size for blocks in self.free.values() for b in blocks)
        self.free.clear()


class MemoryPool:
    """Device memory; each GPU has its own."""

    def __init__(self, allocator: Any = None) -> None:
        self._pools: dict[int, _Pool] = defaultdict(_Pool)
        self._limits: dict[int, int] = {}
        self.peak = 0  # bytes in use at most; for tests
        world().parts.setdefault("device pools", []).append(self)

    @property
    def _own(self) -> _Pool:
        return self._pools[world().device]

    def malloc(self, size: int) -> MemoryPointer:
        with world().lock:
            return MemoryPointer(PooledMemory(self, size), 0)

    def _block(self, size: int, stream: int) -> Block:
        pool = self._own
        found = pool.take(stream, size)
        if found is None:
            self._make_room(size)
            pool.total += size
            found = Block(size)
        else:
            streams.submit(lambda: found.bytes.fill(_FRESH), stream)
        self.peak = max(self.peak, pool.used + size)
        return pool.give(found)

    def _make_room(self, size: int) -> None:
        """As CuPy: what is free goes before memory runs out."""
        for attempt in (self._own.drop_free, None):
            if self._own.total + size <= self._most():
                return
            if attempt:
                attempt()
        raise OutOfMemoryError(size, self._own.total, self.get_limit())

    def _most(self) -> int:
        return self.get_limit() or world().settings.memory

    def used_bytes(self) -> int:
        return self._own.used

    def free_bytes(self) -> int:
        return self._own.total - self._own.used

    def total_bytes(self) -> int:
        return self._own.total

    def n_free_blocks(self) -> int:
        return sum(map(len, self._own.free.values()))

    def free_all_blocks(self, stream: Any = None) -> None:
        streams.wait_for_device("MemoryPool.free_all_blocks")
        self._own.drop_free()

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        if fraction is not None:
            size = int(fraction * world().settings.memory)
        self._limits[world().device] = size or 0

    def get_limit(self) -> int:
        return self._limits.get(world().device, 0)


class PooledMemory:
    """Memory that goes back to its pool when nobody has it any more."""

    def __init__(self, pool: MemoryPool, size: int) -> None:
        self.size, self.device_id = size, world().device
        self._pool = pool
        self._stream = streams.get_current_stream().ptr
        self._world = world()
        self.block = pool._block(_rounded(size), self._stream)
        self.ptr = self.block.pointer

    @property
    def bytes(self) -> np.ndarray:
        return self.block.bytes

    def __del__(self) -> None:
        if hasattr(self, "block"):
            with self._world.lock:
                self._pool._pools[self.device_id].back(self._stream, self.block)


class UnownedMemory:
    """Memory that somebody else keeps."""

    def __init__(self, ptr: int, size: int, owner: Any, device_id: int = -1) -> None:
        self.ptr, self.size, self._owner = ptr, size, owner
        self.device_id = world().device if device_id < 0 else device_id
        memory = (ctypes.c_ubyte * size).from_address(ptr)
        self.bytes = np.frombuffer(memory, np.uint8)


class MemoryPointer:
    """A place in device memory."""

    def __init__(self, mem: Any, offset: int) -> None:
        self.mem, self._offset = mem, offset

    @property
    def ptr(self) -> int:
        return self.mem.ptr + self._offset

    @property
    def device_id(self) -> int:
        return self.mem.device_id

    @property
    def device(self) -> Any:
        from tests.cudasim.standin.device import Device

        return Device(self.device_id)

    @property
    def bytes(self) -> np.ndarray:
        """From here to the end of the memory."""
        return self.mem.bytes[self._offset :]

    def __add__(self, offset: int) -> MemoryPointer:
        return MemoryPointer(self.mem, self._offset + offset)

    def __sub__(self, offset: int) -> MemoryPointer:
        return self + -offset

    def __int__(self) -> int:
        return self.ptr

    def copy_from_device(self, src: Any, size: int) -> None:
        self.copy_from_device_async(src, size)

    def copy_from_device_async(self, src: Any, size: int, stream: Any = None) -> None:
        _runtime().memcpyAsync(self.ptr, _address(src), size, 3, _pointer(stream))

    def copy_from_host_async(self, mem: Any, size: int, stream: Any = None) -> None:
        _runtime().memcpyAsync(self.ptr, _address(mem), size, 1, _pointer(stream))

    def copy_from_host(self, mem: Any, size: int) -> None:
        self.copy_from_host_async(mem, size)

    def copy_to_host_async(self, mem: Any, size: int, stream: Any = None) -> None:
        _runtime().memcpyAsync(_address(mem), self.ptr, size, 2, _pointer(stream))

    def copy_to_host(self, mem: Any, size: int) -> None:
        self.copy_to_host_async(mem, size)
        streams.wait_for_current("MemoryPointer.copy_to_host")

    def copy_from_async(self, mem: Any, size: int, stream: Any = None) -> None:
        is_device = isinstance(mem, MemoryPointer)
        copy = self.copy_from_device_async if is_device else self.copy_from_host_async
        copy(mem, size, stream)

    def copy_from(self, mem: Any, size: int) -> None:
        self.copy_from_async(mem, size)

    def memset_async(self, value: int, size: int, stream: Any = None) -> None:
        _runtime().memsetAsync(self.ptr, value, size, _pointer(stream))

    def memset(self, value: int, size: int) -> None:
        self.memset_async(value, size)


def _runtime() -> Any:
    from tests.cudasim.standin import runtime

    return runtime


def _pointer(stream: Any) -> int:
    return (stream or streams.get_current_stream()).ptr


def _address(memory: Any) -> int:
    if isinstance(memory, int):
        return memory
    if isinstance(memory, ctypes.c_void_p):
        return memory.value or 0
    return memory.ptr


class PinnedMemoryPointer:
    """Pinned memory of the host, with the buffer protocol.

    Instances are of subclasses made for each size, since before Python 3.12 only
    types of ctypes can offer the protocol.
    """

    def __del__(self) -> None:
        if hasattr(self, "_block"):
            self._pool._back(self._block)

    @property
    def ptr(self) -> int:
        return self._block.pointer

    @property
    def mem(self) -> Any:
        return self

    def size(self) -> int:
        return len(self)


class PinnedMemoryPool:
    """Pinned memory.  A block is free again with the last view of it."""

    def __init__(self, allocator: Any = None) -> None:
        self._pool = _Pool()
        self._types: dict[int, type] = {}
        self._world = world()
        world().parts.setdefault("pinned pools", []).append(self)

    def malloc(self, size: int) -> PinnedMemoryPointer:
        with self._world.lock:
            rounded = _rounded(size)
            block = self._pool.take(None, rounded) or Block(rounded)
            block.bytes.fill(_FRESH)
            self._pool.give(block)
        made = self._type(size).from_buffer(block.bytes)
        made._block, made._pool = block, self
        return made

    def _type(self, size: int) -> Any:
        if size not in self._types:
            bases = (PinnedMemoryPointer, ctypes.c_ubyte * size)
            self._types[size] = type("PinnedMemoryPointer", bases, {})
        return self._types[size]

    def _back(self, block: Block) -> None:
        with self._world.lock:
            self._pool.back(None, block)

    def free_all_blocks(self) -> None:
        self._pool.drop_free()

    def n_free_blocks(self) -> int:
        return sum(map(len, self._pool.free.values()))


def is_pinned(address: int, size: int) -> bool:
    """Whether so many bytes at an address are pinned memory in use."""
    pools = world().parts.get("pinned pools", ())
    return any(pool._pool.holds(address, size) for pool in pools)


def is_device(address: int, size: int) -> bool:
    """Whether so many bytes at an address are device memory in use."""
    pools = world().parts.get("device pools", ())
    return any(
        pool.holds(address, size) for each in pools for pool in each._pools.values()
    )


def get_default_memory_pool() -> MemoryPool:
    parts = world().parts
    if "memory pool" not in parts:
        parts["memory pool"] = MemoryPool()
    return parts["memory pool"]


def get_default_pinned_memory_pool() -> PinnedMemoryPool:
    parts = world().parts
    if "pinned pool" not in parts:
        parts["pinned pool"] = PinnedMemoryPool()
    return parts["pinned pool"]


def set_allocator(allocator: Any = None) -> None:
    world().parts["allocator"] = allocator or get_default_memory_pool().malloc


def alloc(size: int) -> MemoryPointer:
    """Memory of the current GPU, from the allocator that is set."""
    allocator = world().parts.get("allocator") or get_default_memory_pool().malloc
    return allocator(size)


def set_pinned_memory_allocator(allocator: Any = None) -> None:
    world().parts["pinned allocator"] = (
        allocator or get_default_pinned_memory_pool().malloc
    )


def alloc_pinned_memory(size: int) -> PinnedMemoryPointer:
    allocator = world().parts.get("pinned allocator")
    return (allocator or get_default_pinned_memory_pool().malloc)(size)
