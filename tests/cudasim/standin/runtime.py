"""``cupy.cuda.runtime``: the CUDA runtime's own functions."""

from __future__ import annotations

import ctypes
from typing import Any

from tests.cudasim.standin import device, memory, streams
from tests.cudasim.standin.world import world

memcpyHostToHost = 0
memcpyHostToDevice = 1
memcpyDeviceToHost = 2
memcpyDeviceToDevice = 3
memcpyDefault = 4
streamLegacy = 1
eventDisableTiming = 2
is_hip = False

_VERSION = 13020


class CUDARuntimeError(RuntimeError):
    """An error of the CUDA runtime."""


def getDeviceCount() -> int:
    return world().settings.devices


def getDevice() -> int:
    return world().device


def setDevice(number: int) -> None:
    device.check(number)
    world().device = number


def runtimeGetVersion() -> int:
    return _VERSION


def driverGetVersion() -> int:
    return _VERSION


def getDeviceProperties(number: int) -> dict[str, Any]:
    device.check(number)
    settings = world().settings
    facts = device.ATTRIBUTES
    return {
        "name": device.NAME.encode(),
        "totalGlobalMem": settings.memory,
        "major": int(settings.capability[:-1]),
        "minor": int(settings.capability[-1]),
        "multiProcessorCount": facts["MultiProcessorCount"],
        "sharedMemPerBlock": facts["MaxSharedMemoryPerBlock"],
        "sharedMemPerBlockOptin": settings.shared,
        "sharedMemPerMultiprocessor": facts["MaxSharedMemoryPerMultiprocessor"],
        "regsPerBlock": facts["MaxRegistersPerBlock"],
        "warpSize": facts["WarpSize"],
        "maxThreadsPerBlock": facts["MaxThreadsPerBlock"],
        "l2CacheSize": facts["L2CacheSize"],
        "pciBusID": number,
    }


def memGetInfo() -> tuple[int, int]:
    return device.Device().mem_info


def deviceSynchronize() -> None:
    streams.wait_for_device("runtime.deviceSynchronize")


def streamSynchronize(stream: int) -> None:
    streams.wait_for_pointer("runtime.streamSynchronize", stream)


def deviceCanAccessPeer(one: int, other: int) -> int:
    return int(one != other)


def deviceEnablePeerAccess(peer: int) -> None:
    device.check(peer)


def _invalid(what: str) -> RuntimeError:
    return streams.runtime_error("cudaErrorInvalidValue", f"invalid argument: {what}")


def _check_device(address: int, size: int) -> None:
    if not memory.is_device(address, size):
        raise _invalid(f"{size} bytes at {address:#x} are no device memory in use")


def memcpyAsync(dst: int, src: int, size: int, kind: int, stream: int) -> None:
    """Queue a copy.  Of ordinary host memory the bytes are taken now, as the driver
    does; pinned memory is read and written when the copy runs."""
    _check_kind(dst, src, size, kind)
    if kind == memcpyHostToDevice and not memory.is_pinned(src, size):
        taken = ctypes.string_at(src, size)
        streams.submit(lambda: _move(dst, taken, size), stream)
        return
    streams.submit(lambda: _move(dst, src, size), stream)
    if kind == memcpyDeviceToHost and not memory.is_pinned(dst, size):
        streams.wait_for_pointer("runtime.memcpyAsync to pageable memory", stream)


def _check_kind(dst: int, src: int, size: int, kind: int) -> None:
    if kind not in (memcpyHostToDevice, memcpyDeviceToHost, memcpyDeviceToDevice):
        raise _invalid(f"memcpyKind {kind}")
    if kind != memcpyDeviceToHost:
        _check_device(dst, size)
    if kind != memcpyHostToDevice:
        _check_device(src, size)


def _move(dst: int, src: Any, size: int) -> None:
    ctypes.memmove(dst, src, size)


def memcpy(dst: int, src: int, size: int, kind: int) -> None:
    memcpyAsync(dst, src, size, kind, 0)
    streams.wait_for_pointer("runtime.memcpy", 0)


def memcpyPeerAsync(
    dst: int, dst_device: int, src: int, src_device: int, size: int, stream: int
) -> None:
    _check_device(dst, size)
    _check_device(src, size)
    streams.submit(lambda: _move(dst, src, size), stream)


def memsetAsync(ptr: int, value: int, size: int, stream: int) -> None:
    _check_device(ptr, size)
    streams.submit(lambda: ctypes.memset(ptr, value, size) and None, stream)


def memset(ptr: int, value: int, size: int) -> None:
    memsetAsync(ptr, value, size, 0)
