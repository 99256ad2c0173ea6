"""The one way to launch a kernel: compiled at first use, every argument checked.

CuPy checks nothing: a strided view is passed as if it were contiguous, a Python float
as a double, and a kernel that was given the wrong number of arguments reads what lies
behind them.  So :meth:`KernelFile.launch` compares each argument with the kernel's own
signature first.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import prod
from typing import Any

import cupy
import numpy as np

from netspec.backends.cuda.source import Parameter, signatures, source
from netspec.errors import DeviceError

Array = Any
Size = tuple[int, ...]

i32, i64 = np.int32, np.int64
f32, f64 = np.float32, np.float64
u32 = np.uint32

BLOCK = 256  # threads of a block where nothing speaks for another number
OPTIONS = ("-std=c++17",)

GRID_LIMITS = (2**31 - 1, 65535, 65535)
BLOCK_LIMITS = (1024, 1024, 64)
BLOCK_THREADS = 1024
SHARED_ANYWHERE = 48 * 1024  # bytes a block may have without asking for more

# Blocks of a grid-stride loop: enough to fill any device, few enough to start quickly.
GRID_CAP = 4096


def cover(elements: int, block: int = BLOCK) -> Size:
    """The grid of a grid-stride loop over so many elements; a function of these alone.

    At least one block, since a grid must not be empty.
    """
    return (max(1, min(-(-elements // block), GRID_CAP)),)


class KernelFile:
    """The kernels of ``kernels/NAME.cu``.

    Nothing is read or compiled before the first launch.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._module: Any = None
        self._functions: dict[str, Any] = {}

    def launch(
        self,
        kernel: str,
        grid: Size,
        block: Size,
        arguments: Sequence[Any],
        shared: int = 0,
    ) -> None:
        """Queue a kernel on the current stream; does not wait for it.

        Args:
            grid, block: one to three numbers each.
            arguments: contiguous CuPy arrays for pointers, NumPy scalars of the very
                type (``i32``, ``f32`` ...) for numbers.
            shared: bytes of dynamic shared memory.

        Raises:
            DeviceError: anything does not fit the kernel's signature or the limits.
        """
        parameters = self.signature(kernel)
        _check_count(kernel, parameters, arguments)
        for parameter, value in zip(parameters, arguments):
            _check_argument(kernel, parameter, value)
        _check_size(kernel, "grid", grid, GRID_LIMITS)
        _check_size(kernel, "block", block, BLOCK_LIMITS)
        _check_threads(kernel, block)
        function = self._function(kernel)
        if shared > SHARED_ANYWHERE:
            _allow_shared(kernel, function, shared)
        function(grid, block, tuple(arguments), shared_mem=shared)

    def over(self, kernel: str, elements: int, arguments: Sequence[Any]) -> None:
        """Launch a kernel that is a grid-stride loop over so many elements, if any."""
        if elements:
            self.launch(kernel, cover(elements), (BLOCK,), arguments)

    def signature(self, kernel: str) -> tuple[Parameter, ...]:
        """What a kernel takes.

        Raises:
            DeviceError: the file has no such kernel.
        """
        found = signatures(self.name)
        if kernel not in found:
            raise DeviceError(
                f"kernels/{self.name}.cu has no kernel {kernel!r}.",
                f"It has {', '.join(sorted(found))}.",
            )
        return found[kernel]

    def _function(self, kernel: str) -> Any:
        """The compiled kernel; CuPy keeps one for each device, and on disk."""
        if kernel not in self._functions:
            if self._module is None:
                self._module = cupy.RawModule(code=source(self.name), options=OPTIONS)
            self._functions[kernel] = self._module.get_function(kernel)
        return self._functions[kernel]


def _refuse(kernel: str, what: str, found: str, allowed: str) -> DeviceError:
    return DeviceError(f"kernel {kernel!r}: {what} is {found}.", f"Give {allowed}.")


def _check_count(
    kernel: str, parameters: Sequence[Parameter], arguments: Sequence[Any]
) -> None:
    if len(arguments) != len(parameters):
        names = ", ".join(p.name for p in parameters)
        raise DeviceError(
            f"kernel {kernel!r}: {len(arguments)} arguments for its "
            f"{len(parameters)} parameters.",
            f"Give {names}.",
        )


def _check_argument(kernel: str, parameter: Parameter, value: Any) -> None:
    if parameter.is_array:
        _check_array(kernel, parameter, value)
    elif type(value) is not parameter.dtype.type:
        raise _refuse(
            kernel,
            f"argument {parameter.name!r}",
            _described(value),
            f"a numpy.{parameter.dtype.name}",
        )


def _check_array(kernel: str, parameter: Parameter, value: Any) -> None:
    what, kind = f"argument {parameter.name!r}", parameter.dtype.name
    if not isinstance(value, cupy.ndarray):
        raise _refuse(kernel, what, _described(value), f"a {kind} array on the device")
    if value.dtype != parameter.dtype:
        raise _refuse(kernel, what, f"a {value.dtype.name} array", f"a {kind} array")
    if not value.flags.c_contiguous:
        raise _refuse(
            kernel,
            what,
            f"a view of shape {value.shape} and strides {value.strides}",
            "a C-contiguous array",
        )


def _described(value: Any) -> str:
    """What an argument is, in the words of an error."""
    if isinstance(value, np.ndarray):
        return "a NumPy array, in the host's memory"
    if isinstance(value, (int, float)) and not isinstance(value, np.generic):
        return f"the Python {type(value).__name__} {value!r}"
    if isinstance(value, np.generic):
        return f"a numpy.{value.dtype.name}"
    return f"a {type(value).__name__}"


def _check_size(kernel: str, what: str, size: Size, limits: Size) -> None:
    if not 1 <= len(size) <= len(limits):
        raise _refuse(kernel, what, f"{size}", "one to three numbers")
    for axis, number, limit in zip("xyz", size, limits):
        if not 1 <= number <= limit:
            allowed = f"a number from 1 to {limit}"
            raise _refuse(kernel, f"{what} {axis}", f"{number}", allowed)


def _check_threads(kernel: str, block: Size) -> None:
    if prod(block) > BLOCK_THREADS:
        found = f"{' × '.join(map(str, block))} = {prod(block)} threads"
        raise _refuse(kernel, "block", found, f"at most {BLOCK_THREADS}")


@cache
def _shared_limit(device: int) -> int:
    """Bytes of shared memory that a block of a device may ask for."""
    return int(cupy.cuda.Device(device).attributes["MaxSharedMemoryPerBlockOptin"])


def _allow_shared(kernel: str, function: Any, shared: int) -> None:
    """Let a kernel have more shared memory than any device gives unasked."""
    limit = _shared_limit(cupy.cuda.Device().id)
    if shared > limit:
        raise _refuse(
            kernel,
            "shared memory",
            f"{shared} bytes",
            f"at most {limit} on this device",
        )
    if function.max_dynamic_shared_size_bytes < shared:
        function.max_dynamic_shared_size_bytes = shared
