"""The memories that a kernel sees: arguments and tables, shared, local."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.cudasim.ptx.parse import Program

_DYNAMIC_ALIGNMENT = 16


class PtxError(RuntimeError):
    """A kernel did what no kernel may."""


class Global:
    """The arrays that a launch was given, and the module's tables."""

    def __init__(self, arrays: Sequence[np.ndarray], program: Program) -> None:
        self.tables = {
            name: _table(array.data, array.size, array.alignment)
            for name, array in program.arrays.items()
            if array.space in ("const", "global")
        }
        flat = [a.reshape(-1).view(np.uint8) for a in arrays if a.size]
        flat += list(self.tables.values())
        self._parts = sorted(flat, key=lambda part: part.ctypes.data)
        self._starts = np.array([p.ctypes.data for p in self._parts], np.int64)

    def address(self, name: str) -> int:
        return int(self.tables[name].ctypes.data)

    def _part(self, at: np.ndarray, size: int) -> Any:
        """Lanes and their offsets, for each array that some lane means."""
        which = np.searchsorted(self._starts, at, "right") - 1
        for number in np.unique(which):
            lanes = np.nonzero(which == number)[0]
            part = self._parts[max(number, 0)]
            offsets = at[lanes] - part.ctypes.data
            wrong = (offsets < 0) | (offsets + size > part.size)
            if number < 0 or wrong.any():
                raise self._stray(int(at[lanes][wrong][0]))
            yield lanes, part, offsets

    def _stray(self, address: int) -> PtxError:
        """The error that tells which array an address just missed."""

        def distance(part: np.ndarray) -> int:
            start = part.ctypes.data
            return max(start - address, address - start - part.size)

        near = min(self._parts, key=distance)
        return PtxError(
            f"an address in no argument, {address - near.ctypes.data:+d} from the "
            f"start of one of {near.size} bytes"
        )

    def load(self, at: np.ndarray, dtype: np.dtype) -> np.ndarray:
        values = np.empty(len(at), dtype)
        for lanes, part, offsets in self._part(at, dtype.itemsize):
            values[lanes] = _gather(part, offsets, dtype)
        return values

    def store(self, at: np.ndarray, values: np.ndarray) -> None:
        for lanes, part, offsets in self._part(at, values.dtype.itemsize):
            _scatter(part, offsets, values[lanes])


def _table(data: bytes, size: int, alignment: int) -> np.ndarray:
    raw = np.zeros(size + alignment, np.uint8)
    start = -raw.ctypes.data % alignment
    raw[start : start + len(data)] = np.frombuffer(data, np.uint8)
    return raw[start : start + size]


def _gather(part: np.ndarray, offsets: np.ndarray, dtype: np.dtype) -> np.ndarray:
    index = offsets[:, None] + np.arange(dtype.itemsize)
    return part[index].reshape(-1).view(dtype)


def _scatter(part: np.ndarray, offsets: np.ndarray, values: np.ndarray) -> None:
    index = offsets[:, None] + np.arange(values.dtype.itemsize)
    part[index] = np.ascontiguousarray(values).view(np.uint8).reshape(index.shape)


class Private:
    """Memory of which every owner has the same: shared of a block, local of a thread.

    Fresh, it is bytes of 255: NaN.
    """

    def __init__(self, space: str, owners: int, program: Program, dynamic: int) -> None:
        self.space = space
        self.addresses: dict[str, int] = {}
        end = self._lay_out(program, dynamic if space == "shared" else 0)
        self.size = end
        self._bytes = np.full(owners * end, 0xFF, np.uint8)

    def _lay_out(self, program: Program, dynamic: int) -> int:
        end = 0
        arrays = {n: a for n, a in program.arrays.items() if a.space == self.space}
        for name, array in arrays.items():
            if not array.is_dynamic:
                end = _up(end, array.alignment)
                self.addresses[name] = end
                end += array.size
        if any(array.is_dynamic for array in arrays.values()):
            end = _up(end, _DYNAMIC_ALIGNMENT)
        for name, array in arrays.items():
            if array.is_dynamic:
                self.addresses[name] = end
        return end + dynamic

    def _index(self, at: np.ndarray, owners: np.ndarray, size: int) -> np.ndarray:
        wrong = (at < 0) | (at + size > self.size)
        if wrong.any():
            raise PtxError(
                f"{self.space} address {at[wrong][0]} beyond {self.size} bytes"
            )
        return owners * self.size + at

    def load(self, at: np.ndarray, dtype: np.dtype, owners: np.ndarray) -> np.ndarray:
        return _gather(self._bytes, self._index(at, owners, dtype.itemsize), dtype)

    def store(self, at: np.ndarray, values: np.ndarray, owners: np.ndarray) -> None:
        index = self._index(at, owners, values.dtype.itemsize)
        _scatter(self._bytes, index, values)


def _up(number: int, unit: int) -> int:
    return -(-number // unit) * unit


def check_alignment(at: np.ndarray, size: int) -> None:
    """See that all addresses are multiples of the size of an access."""
    if (at % size).any():
        raise PtxError(f"a misaligned access of {size} bytes")
