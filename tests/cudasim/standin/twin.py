"""The first launches of every kernel, run a second time as the PTX that NVRTC makes.

Both runs begin with the same arrays and have to end with the same: integers exactly,
floats as closely as other roundings allow (the emulator fuses no multiplications and
additions, the compiler does).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from tests.cudasim import ptx
from tests.cudasim.emulator.build import digest, folder
from tests.cudasim.offline import nvrtc

_ARCHITECTURE = "90"
_MOST_THREADS = 1 << 15  # of a launch that is worth the time
_TOLERANCE = 2e-4  # of the largest number of an array

checked: Counter[str] = Counter()  # launches, by kernel


class TwinError(AssertionError):
    """The compiler's code computes something else."""


@cache
def _programs(code: str, options: tuple[str, ...]) -> dict[str, ptx.Program]:
    given = dict.fromkeys([*options, *nvrtc.OPTIONS])
    made = nvrtc.compile_kernels(code, "twin", _ARCHITECTURE, "ptx", list(given))
    return ptx.parse(made.read_text())


def is_wanted(
    kernel: str, grid: Sequence[int], block: Sequence[int], most: int
) -> bool:
    """Whether a launch is one of the first, and small enough."""
    if checked[kernel] >= most or nvrtc.library_path() is None:
        return False
    return prod(grid) * prod(block) <= _MOST_THREADS


def run_both(
    code: str,
    options: tuple[str, ...],
    kernel: str,
    launch: tuple[Sequence[int], Sequence[int], Sequence[Any], int],
    emulate: Callable[[], Any],
) -> Any:
    """What *emulate* returns.

    Raises:
        TwinError: the two differ.
    """
    grid, block, args, shared = launch
    copies = _copied(args)
    ptx.Kernel(_programs(code, options)[kernel])(grid, block, copies, shared)
    result = emulate()
    checked[kernel] += 1
    for number, (own, other) in enumerate(zip(args, copies)):
        if isinstance(own, np.ndarray):
            _compare(f"{kernel}: argument {number}", own, other)
    evidence(code, kernel).touch()
    return result


def evidence(code: str, kernel: str) -> Path:
    """A file that is there if a kernel of this very text was found to agree."""
    place = folder() / "twins"
    place.mkdir(exist_ok=True)
    return place / f"{kernel}-{digest(code)}"


def _copied(args: Sequence[Any]) -> list[Any]:
    """Copies at addresses as good as CuPy's; what is one array stays one."""
    made: dict[int, np.ndarray] = {}
    found = []
    for arg in args:
        if isinstance(arg, np.ndarray):
            address = arg.__array_interface__["data"][0]
            if address not in made or made[address].size < arg.size:
                made[address] = _aligned(arg)
            arg = made[address]
        found.append(arg)
    return found


def _aligned(array: np.ndarray) -> np.ndarray:
    raw = np.empty(array.nbytes + 256, np.uint8)
    start = -raw.ctypes.data % 256
    made = raw[start : start + array.nbytes].view(array.dtype)
    made[...] = array.reshape(-1, order="A")
    return made


def _compare(what: str, own: np.ndarray, other: np.ndarray) -> None:
    mine = own.reshape(-1, order="A")
    if mine.dtype.kind != "f":
        is_same = np.array_equal(mine, other)
    else:
        with np.errstate(invalid="ignore"):
            finite = np.abs(mine[np.isfinite(mine)])
        scale = float(finite.max()) if finite.size else 1.0
        limits = {"rtol": _TOLERANCE, "atol": _TOLERANCE * scale, "equal_nan": True}
        is_same = np.allclose(mine, other, **limits)
    if not is_same:
        raise TwinError(f"{what} differs:\n  emulated {mine}\n  as PTX   {other}")
