"""Compiled loops over bytes: checksums, and undoing Snappy.

Formats: CRC-32C of RFC 3720, and Snappy's ``format_description.txt``.
"""

from __future__ import annotations

import numpy as np

from netspec.compiled import njit

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, lowest bit first
_AT_ONCE = 8  # bytes


def _tables() -> np.ndarray:
    """What a byte adds to a sum when 0 to 7 bytes follow it, (8, 256)."""
    tables = np.zeros((_AT_ONCE, 256), np.uint32)
    value = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        value = np.where(value & 1, value >> 1 ^ np.uint32(_POLYNOMIAL), value >> 1)
    tables[0] = value
    for i in range(1, _AT_ONCE):
        before = tables[i - 1]
        tables[i] = before >> 8 ^ tables[0][before & 0xFF]
    return tables


_TABLES = _tables()


@njit(cache=True, nogil=True)
def crc32c(data):  # type: ignore[no-untyped-def]
    """The CRC-32C of bytes (n,)."""
    value = np.uint32(0xFFFFFFFF)
    at, whole = 0, data.size // 8 * 8
    while at < whole:
        mixed = np.uint32(0)
        for i in range(4):
            low = (value >> np.uint32(8 * i)) & np.uint32(0xFF)
            mixed ^= _TABLES[7 - i, data[at + i] ^ low]
            mixed ^= _TABLES[3 - i, data[at + 4 + i]]
        value = mixed
        at += 8
    for i in range(whole, data.size):
        low = (value ^ np.uint32(data[i])) & np.uint32(0xFF)
        value = (value >> np.uint32(8)) ^ _TABLES[0, low]
    return value ^ np.uint32(0xFFFFFFFF)


@njit(cache=True, nogil=True)
def unsnappy(data, at, out):  # type: ignore[no-untyped-def]
    """Fill *out* with the start of what the elements from *at* on stand for.

    Returns where in *data* that ended, or -1 where the elements make no sense.
    """
    end, filled = data.size, 0
    while filled < out.size:
        if at >= end:
            return -1
        tag = data[at]
        kind, length, at = tag & 3, (tag >> 2) + 1, at + 1
        if kind == 0:
            if length > 60:
                more = length - 60
                if at + more > end:
                    return -1
                length = _little(data, at, more) + 1
                at += more
            if length > end - at:
                return -1
            for i in range(min(length, out.size - filled)):
                out[filled + i] = data[at + i]
            at += length
        else:
            more = 1 if kind == 1 else (2 if kind == 2 else 4)
            if at + more > end:
                return -1
            back = _little(data, at, more)
            if kind == 1:
                back += np.int64(tag >> 5) << 8
                length = ((tag >> 2) & 7) + 4
            at += more
            if back == 0 or back > filled:
                return -1
            for i in range(min(length, out.size - filled)):
                out[filled + i] = out[filled + i - back]
        filled += length
    return at


@njit(cache=True, nogil=True)
def _little(data, at, count):  # type: ignore[no-untyped-def]
    """The number of *count* bytes, lowest first."""
    value = np.int64(0)
    for i in range(count):
        value |= np.int64(data[at + i]) << (8 * i)
    return value
