"""How many blocks of a kernel fit on a multiprocessor at once.

Limits from the CUDA C++ Programming Guide, "Technical Specifications per Compute
Capability"; registers are given out to warps in units of 256, shared memory to blocks
in units of 128 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

_REGISTER_UNIT = 256
_SHARED_UNIT = 128
_WARP = 32
_REGISTERS = 65536


@dataclass(frozen=True)
class Limits:
    """Of one multiprocessor, and of a block.

    Attributes:
        shared: bytes of shared memory.
        block_shared: bytes of it that one block may have.
        reserved: bytes of it that the system takes for each block.
    """

    warps: int
    blocks: int
    shared: int
    block_shared: int
    reserved: int = 1024


_KIB = 1024
LIMITS = {
    "75": Limits(32, 16, 64 * _KIB, 64 * _KIB, 0),
    "80": Limits(64, 32, 164 * _KIB, 163 * _KIB),
    "86": Limits(48, 16, 100 * _KIB, 99 * _KIB),
    "89": Limits(48, 24, 100 * _KIB, 99 * _KIB),
    "90": Limits(64, 32, 228 * _KIB, 227 * _KIB),
    "100": Limits(64, 32, 228 * _KIB, 227 * _KIB),
    "120": Limits(48, 24, 100 * _KIB, 99 * _KIB),
}


def _up(number: int, unit: int) -> int:
    return -(-number // unit) * unit


def blocks(architecture: str, registers: int, shared: int, threads: int) -> int:
    """Blocks of so many threads, registers a thread and bytes of shared memory."""
    limits = LIMITS[architecture]
    warps = _up(threads, _WARP) // _WARP
    of_registers = _REGISTERS // _up(max(registers, 1) * _WARP, _REGISTER_UNIT) // warps
    of_shared = limits.shared // (_up(shared, _SHARED_UNIT) + limits.reserved or 1)
    return min(limits.blocks, limits.warps // warps, of_registers, of_shared)


def occupancy(architecture: str, registers: int, shared: int, threads: int) -> float:
    """The part of a multiprocessor's warps that can be there at once."""
    warps = _up(threads, _WARP) // _WARP
    present = blocks(architecture, registers, shared, threads) * warps
    return present / LIMITS[architecture].warps
