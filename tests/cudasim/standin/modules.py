"""``cupy.RawModule`` and its kernels, which the emulator runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.cudasim import emulator
from tests.cudasim.standin import streams, twin
from tests.cudasim.standin.arrays import ndarray
from tests.cudasim.standin.memory import MemoryPointer
from tests.cudasim.standin.world import Launched, world

_SHARED_ANYWHERE = 48 * 1024


@lru_cache(maxsize=256)
def _compiled(code: str, options: tuple[str, ...], mode: str) -> emulator.RawModule:
    return emulator.RawModule(code, options, mode)


class CUDADriverError(RuntimeError):
    """An error of the driver."""


class RawModule:
    """Kernels of a text; nothing is compiled before the first is asked for."""

    def __init__(
        self,
        code: str | None = None,
        *,
        path: str | None = None,
        options: tuple[str, ...] = (),
        backend: str = "nvrtc",
        translate_cucomplex: bool = False,
        enable_cooperative_groups: bool = False,
        name_expressions: Sequence[str] | None = None,
        jitify: bool = False,
    ) -> None:
        if (code is None) == (path is None):
            raise TypeError("Exactly one of `code` and `path` keyword arguments")
        if not isinstance(options, tuple):
            raise TypeError("options must be a tuple")
        if name_expressions:
            raise NotImplementedError('the stand-in runs extern "C" kernels only')
        self.code = Path(path).read_text() if path else str(code)
        self.options = options
        self.backend = backend

    def compile(self, log_stream: Any = None) -> None:
        self.emulated()

    def emulated(self) -> emulator.RawModule:
        """The module in the mode that is set."""
        return _compiled(self.code, self.options, world().settings.mode)

    def get_function(self, name: str) -> RawKernel:
        try:
            self.emulated().get_function(name)
        except KeyError:
            raise CUDADriverError(
                "CUDA_ERROR_NOT_FOUND: named symbol not found"
            ) from None
        return RawKernel(self, name)


class RawKernel:
    """A kernel."""

    def __init__(self, module: RawModule, name: str) -> None:
        self._module, self.name = module, name
        self._dynamic_limit = _SHARED_ANYWHERE

    @property
    def max_threads_per_block(self) -> int:
        kernel = self._module.emulated().get_function(self.name)
        return min(kernel.most_threads, 1024)

    @property
    def max_dynamic_shared_size_bytes(self) -> int:
        return self._dynamic_limit

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, size: int) -> None:
        if not 0 <= size <= world().settings.shared:
            raise CUDADriverError("CUDA_ERROR_INVALID_VALUE: invalid argument")
        self._dynamic_limit = size

    def __call__(
        self,
        grid: Sequence[int],
        block: Sequence[int],
        args: Sequence[Any],
        *,
        shared_mem: int = 0,
    ) -> None:
        """Queue a launch on the current stream."""
        if shared_mem > self._dynamic_limit:
            raise CUDADriverError("CUDA_ERROR_INVALID_VALUE: invalid argument")
        hosts = [self._argument(arg) for arg in args]
        grid, block = tuple(map(int, grid)), tuple(map(int, block))
        installed = world()

        def launch() -> None:
            done = self._run(grid, block, hosts, shared_mem)
            record = Launched(self.name, grid, block, shared_mem, done)
            installed.launches.append(record)
            if done.reports:
                raise emulator.LaunchError(f"{self.name}: faults", done.reports)

        streams.submit(launch)

    def _run(self, *launch: Any) -> emulator.Launch:
        """On the emulator, and the first times as PTX as well."""
        kernel = self._module.emulated().get_function(self.name)

        def emulate() -> emulator.Launch:
            return kernel(*launch, _watching())

        own = self._module
        if not twin.is_wanted(self.name, *launch[:2], world().settings.twins):
            return emulate()
        return twin.run_both(own.code, own.options, self.name, launch, emulate)

    def _argument(self, arg: Any) -> Any:
        if isinstance(arg, np.ndarray):
            raise TypeError(f"Unsupported type {type(arg)}")
        if isinstance(arg, MemoryPointer):
            return arg.bytes
        if not isinstance(arg, ndarray):
            return arg
        if not (arg.flags.c_contiguous or arg.flags.f_contiguous):
            # CuPy would pass the address of its first element and say nothing.
            raise ValueError(f"{self.name}: an array with gaps is passed to a kernel")
        if arg.data.device_id != world().device:
            raise ValueError(f"{self.name}: an array of device {arg.data.device_id}")
        return arg._array


def _watching() -> emulator.Watching:
    settings = world().settings
    chosen = settings.watching
    if settings.mode != "check" or chosen.mode:
        return chosen
    return emulator.Watching(chosen.schedule, chosen.seed, checks=True)
