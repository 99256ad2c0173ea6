"""Kernels of a .cu text, launched on the emulated machine."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import numpy as np

from tests.cudasim.emulator import build, symbols
from tests.cudasim.emulator.report import Launch, LaunchError, Report, Statistic
from tests.cudasim.emulator.translate import Entry, Parameter, entries, unit

Size = Sequence[int]

SCHEDULES = ("forward", "reverse", "shuffled")
GRID_LIMITS = (2**31 - 1, 65535, 65535)
BLOCK_LIMITS = (1024, 1024, 64)
BLOCK_THREADS = 1024
SHARED_BYTES = 227 * 1024  # of sm_90: the most that any block gets

_OFF, _CHECK, _COUNT = 0, 1, 2
_GLOBAL, _SHARED, _CONSTANT = 0, 1, 2
_SHARED_GRAIN = 2  # bytes that the checker tells apart in shared memory
_POINTER, _FLOAT, _INTEGER = 1, 2, 3
_KINDS = {_POINTER: "pointer", _FLOAT: "float", _INTEGER: "integer"}
_OF_DTYPE = {"f": _FLOAT, "i": _INTEGER, "u": _INTEGER, "b": _INTEGER}
_TEXT = 1 << 18

# The machine is one: launches of several threads take turns.
_turn = threading.RLock()


class _Grid(ctypes.Structure):
    """CuhLaunch of include/runtime.h."""

    _fields_ = (
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared", ctypes.c_size_t),
    )


@cache
def _runtime() -> ctypes.CDLL:
    library = ctypes.CDLL(str(build.runtime()))
    library.cuh_error.restype = ctypes.c_char_p
    library.cuh_accesses.restype = ctypes.c_uint64
    library.cuh_watch.argtypes = (ctypes.c_int, ctypes.c_size_t)
    library.cuh_add_range.argtypes = (
        ctypes.c_size_t,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_char_p,
    )
    library.cuh_set_schedule.argtypes = (ctypes.c_int, ctypes.c_uint)
    return library


@dataclass(frozen=True)
class Watching:
    """How a launch runs, and what is watched meanwhile."""

    schedule: str = "forward"
    seed: int = 1
    checks: bool = False  # bounds, alignment, races; needs mode "check"
    counts: bool = False  # sectors and bank conflicts; needs mode "check"

    @property
    def mode(self) -> int:
        """The checker's mode."""
        return (_CHECK if self.checks else _OFF) | (_COUNT if self.counts else _OFF)


class RawModule:
    """The kernels of one text, as ``cupy.RawModule`` would hold them.

    Args:
        code: CUDA C++ with ``extern "C" __global__`` kernels.
        options: those of the form ``-D`` are handed on, others are for NVRTC.
        mode: ``"fast"``, or ``"check"``: compiled with call-outs for the checker.

    Raises:
        build.BuildError: g++ refuses the text.
    """

    def __init__(
        self, code: str, options: Sequence[str] = (), mode: str = "fast"
    ) -> None:
        defines = [option for option in options if option.startswith("-D")]
        self.mode = mode
        self.path = build.module(unit(code), mode, defines)
        self.library = ctypes.CDLL(str(self.path))
        self._entries = entries(code)

    @property
    def names(self) -> tuple[str, ...]:
        """The kernels."""
        return tuple(entry.name for entry in self._entries)

    def get_function(self, name: str) -> Kernel:
        """A kernel by its name.

        Raises:
            KeyError: the module has none of that name.
        """
        if name not in self.names:
            raise KeyError(f"no kernel {name!r}; there are {', '.join(self.names)}")
        number = self.names.index(name)
        return Kernel(self, self._entries[number], number)

    def base(self) -> int:
        """The address at which the module's offsets begin."""
        name, offset = symbols.anchor(self.path)
        at = ctypes.cast(getattr(self.library, name), ctypes.c_void_p).value
        assert at is not None
        return at - offset

    def static_shared(self) -> int:
        """Bytes of all shared arrays of the module; an upper bound for each kernel."""
        found = symbols.variables(self.path)
        return sum(variable.size for variable in found if variable.is_shared)


class Kernel:
    """One kernel of a module."""

    def __init__(self, module: RawModule, entry: Entry, number: int) -> None:
        self.module, self.entry = module, entry
        self._launch = getattr(module.library, f"cuh_launch_{number}")
        self._kinds = self._read_kinds(number)
        most = getattr(module.library, f"cuh_most_threads_{number}")
        self.most_threads = int(most())

    def _read_kinds(self, number: int) -> list[tuple[int, int]]:
        kinds = (ctypes.c_int * 256)()
        count = getattr(self.module.library, f"cuh_kinds_{number}")(kinds)
        return [divmod(kind, 1000) for kind in kinds[:count]]

    def __call__(
        self,
        grid: Size,
        block: Size,
        args: Sequence[Any],
        shared_mem: int = 0,
        watching: Watching | None = None,
    ) -> Launch:
        """Run the whole grid.

        Args:
            args: NumPy arrays for pointers, NumPy scalars for numbers.

        Raises:
            LaunchError: a device would refuse it, or a thread ended with an error.
            TypeError: an argument does not fit its parameter.
        """
        watching = watching or Watching()
        self._check_size(grid, block, shared_mem)
        arguments = _Arguments(self.entry, self._kinds, args)
        launch = _Grid(_three(grid), _three(block), shared_mem)
        with _turn:
            return self._run(launch, arguments, watching)

    def _check_size(self, grid: Size, block: Size, shared_mem: int) -> None:
        _check_axes(self.entry.name, "grid", grid, GRID_LIMITS)
        _check_axes(self.entry.name, "block", block, BLOCK_LIMITS)
        most = min(self.most_threads, BLOCK_THREADS)
        if prod(block) > most:
            raise LaunchError(
                f"{self.entry.name}: {prod(block)} threads a block, at most {most}"
            )
        if not 0 <= shared_mem <= SHARED_BYTES:
            raise LaunchError(f"{self.entry.name}: {shared_mem} bytes shared")

    def _run(self, launch: _Grid, arguments: _Arguments, watching: Watching) -> Launch:
        runtime = _runtime()
        runtime.cuh_set_schedule(SCHEDULES.index(watching.schedule), watching.seed)
        self._watch(arguments, watching)
        code = self._launch(arguments.pointers(), ctypes.byref(launch))
        reports = self._reports() if watching.mode else ()
        if code:
            error = runtime.cuh_error().decode()
            raise LaunchError(f"{self.entry.name}: {error}", reports)
        statistics = self._statistics() if watching.counts else ()
        counters = (ctypes.c_uint64 * 2)()
        runtime.cuh_counters(counters)
        return Launch(reports, statistics, runtime.cuh_accesses(), counters[1])

    def _watch(self, arguments: _Arguments, watching: Watching) -> None:
        runtime = _runtime()
        if not watching.mode:
            runtime.cuh_watch(_OFF, 0)
            return
        if self.module.mode != "check":
            raise ValueError("a module of mode 'fast' cannot be watched")
        base = self.module.base()
        runtime.cuh_watch(watching.mode, base)
        for name, array in arguments.arrays:
            grain = min(array.itemsize, 4)
            add = (array.ctypes.data, array.nbytes, _GLOBAL, grain, name.encode())
            runtime.cuh_add_range(*add)
        for variable in symbols.variables(self.module.path):
            space = _SHARED if variable.is_shared else _CONSTANT
            at, name = base + variable.offset, variable.name.encode()
            runtime.cuh_add_range(at, variable.size, space, _SHARED_GRAIN, name)

    def _lines(self, function: Any) -> list[str]:
        text = ctypes.create_string_buffer(_TEXT)
        function(text, ctypes.c_size_t(_TEXT))
        return text.value.decode().splitlines()

    def _place(self, text: str) -> str:
        """A place of the source: from an offset, unless it is one already."""
        if ":" in text:
            return text
        return symbols.place(self.module.path, int(text, 16))

    def _reports(self) -> tuple[Report, ...]:
        return tuple(self._report(line) for line in self._lines(_runtime().cuh_reports))

    def _report(self, line: str) -> Report:
        fault, access, size, array, offset, block, thread, other, place = line.split(
            "|"
        )
        return Report(
            fault,
            access,
            int(size),
            array,
            int(offset),
            tuple(map(int, block.split(","))),
            int(thread),
            int(other),
            self._place(place),
        )

    def _statistics(self) -> tuple[Statistic, ...]:
        return tuple(
            self._statistic(*line.split())
            for line in self._lines(_runtime().cuh_statistics)
        )

    def _statistic(self, place: str, space: str, kind: str, *numbers: str) -> Statistic:
        return Statistic(self._place(place), space, kind == "st", *map(int, numbers))


class _Arguments:
    """Arguments as the launch takes them, checked against the kernel's parameters."""

    def __init__(
        self, entry: Entry, kinds: Sequence[tuple[int, int]], values: Sequence[Any]
    ) -> None:
        if len(values) != len(kinds):
            raise TypeError(
                f"{entry.name}: {len(values)} arguments for {len(kinds)} parameters"
            )
        self.arrays: list[tuple[str, np.ndarray]] = []
        self._kept: list[Any] = []
        for parameter, kind, value in zip(entry.parameters, kinds, values):
            self._kept.append(self._storage(entry.name, parameter, kind, value))
        self._check_restrict(entry)

    def _storage(
        self, kernel: str, parameter: Parameter, kind: tuple[int, int], value: Any
    ) -> Any:
        where = f"{kernel}: argument {parameter.name!r}"
        family, size = kind
        if isinstance(value, np.ndarray):
            if family != _POINTER:
                raise TypeError(f"{where} is an array, the parameter is no pointer")
            self.arrays.append((parameter.name, value))
            return ctypes.c_void_p(value.ctypes.data)
        # As CuPy passes it: a Python int as int64, a float as float64.
        number = value if isinstance(value, np.generic) else np.asarray(value)[()]
        found = (_OF_DTYPE.get(number.dtype.kind), number.dtype.itemsize)
        if found != kind:
            expected = f"{size} bytes of kind {_KINDS.get(family, 'structure')}"
            raise TypeError(f"{where} is {number.dtype}, the parameter is {expected}")
        return ctypes.create_string_buffer(number.tobytes(), size)

    def _check_restrict(self, entry: Entry) -> None:
        """Refuse arrays that overlap where the kernel was promised that none do."""
        pointers = [p for p in entry.parameters if p.is_pointer]
        pairs = list(zip(pointers, (array for _, array in self.arrays)))
        for i, (one, first) in enumerate(pairs):
            for other, second in pairs[:i]:
                is_promised = one.is_restrict or other.is_restrict
                is_written = not (one.is_const and other.is_const)
                if is_promised and is_written and np.may_share_memory(first, second):
                    raise LaunchError(
                        f"{entry.name}: {other.name!r} and {one.name!r} overlap, and "
                        "the kernel says __restrict__"
                    )

    def pointers(self) -> Any:
        """The array of addresses, one an argument."""
        addresses = [ctypes.addressof(kept) for kept in self._kept]
        return (ctypes.c_void_p * max(1, len(addresses)))(*addresses)


def _three(size: Size) -> Any:
    return (ctypes.c_uint * 3)(*[*size, 1, 1][:3])


def _check_axes(kernel: str, what: str, size: Size, limits: Size) -> None:
    for axis, number, limit in zip("xyz", size, limits):
        if not 1 <= number <= limit:
            raise LaunchError(f"{kernel}: {what} {axis} is {number}, at most {limit}")
