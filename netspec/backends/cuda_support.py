"""What CUDA needs on a machine: what is there, what is missing, how to install it.

CuPy is imported here when a GPU is asked for or asked about, and not before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from netspec.errors import DeviceError

LEAST_CUPY = 14
_VERSIONS = (12, 13)  # of CUDA that there is an extra for
_HEADER = "cuda_fp16.h"  # of those that kernels include
_INSTALL = "Install it: pip install 'netspec[cuda13]', or netspec[cuda12] for a driver "
_OLD_DRIVER = "older than 580."
_DRIVER = (
    "Install NVIDIA's driver, 580 or newer, and look whether nvidia-smi finds the GPU; "
    "in a container, start it with --gpus all."
)


@dataclass(frozen=True)
class Lack:
    """Something that a GPU cannot be used without.

    Attributes:
        what: a clause such as "CuPy is not installed".
        remedy: how to get it, in one sentence.
    """

    what: str
    remedy: str


@dataclass(frozen=True)
class Gpu:
    """Facts of one GPU.

    Attributes:
        capability: compute capability, such as "9.0".
        multiprocessors: their number.
        memory, free: bytes.
    """

    name: str
    capability: str
    multiprocessors: int
    memory: int
    free: int


def require(number: int) -> None:
    """See that GPU *number* can be used.

    Raises:
        DeviceError: it cannot; says what is missing and how to install it.
    """
    lack = next(lacks(), None)
    if lack:
        raise DeviceError(
            f"device cuda:{number} cannot be used: {lack.what}.", lack.remedy
        )
    count = gpu_count()
    if number >= count:
        have = ", ".join(f"cuda:{i}" for i in range(count))
        raise DeviceError(f"there is no device cuda:{number}.", f"There is {have}.")


def lacks() -> Iterator[Lack]:
    """What is missing, the first things first; the rest only where those are there."""
    try:
        cupy = _cupy()
    except ImportError as error:
        yield _no_cupy(error)
        return
    if int(cupy.__version__.split(".")[0]) < LEAST_CUPY:
        yield Lack(
            f"CuPy is {cupy.__version__}, and {LEAST_CUPY} is the oldest that serves",
            _INSTALL + _OLD_DRIVER,
        )
    yield from _device_lacks(cupy)
    yield from _library_lacks(cupy)


def gpus() -> list[Gpu]:
    """The GPUs that CuPy sees; none where anything that it needs is missing."""
    if next(lacks(), None):
        return []
    return [_gpu(i) for i in range(gpu_count())]


def gpu_count() -> int:
    """How many GPUs CuPy sees; takes nothing of their memory, as :func:`gpus` does."""
    return int(_cupy().cuda.runtime.getDeviceCount())


def versions() -> dict[str, str | None]:
    """Versions of CuPy, of the CUDA it was made for, and of the driver's CUDA."""
    try:
        cupy = _cupy()
    except ImportError:
        return {"cupy": None, "cuda": None, "driver_cuda": None}
    runtime = cupy.cuda.runtime
    return {
        "cupy": cupy.__version__,
        "cuda": _version(runtime.runtimeGetVersion()),
        "driver_cuda": _version(_driver(cupy)),
    }


def _cupy() -> Any:
    return import_module("cupy")


def _no_cupy(error: ImportError) -> Lack:
    if isinstance(error, ModuleNotFoundError):
        return Lack("CuPy is not installed", _INSTALL + _OLD_DRIVER)
    told = str(error).strip().splitlines()
    return Lack(
        f"CuPy does not load ({told[0] if told else 'no reason given'})",
        "Install it anew, one of its packages only: pip uninstall cupy-cuda12x "
        "cupy-cuda13x, then pip install 'netspec[cuda13]'.",
    )


def _driver(cupy: Any) -> int:
    """The newest CUDA that the driver knows, such as 13020; 0 where there is none."""
    try:
        return int(cupy.cuda.runtime.driverGetVersion())
    except RuntimeError:
        return 0


def _device_lacks(cupy: Any) -> Iterator[Lack]:
    made_for, known = cupy.cuda.runtime.runtimeGetVersion(), _driver(cupy)
    if not known:
        yield Lack("there is no NVIDIA driver", _DRIVER)
        return
    if known // 1000 < made_for // 1000:
        yield Lack(
            f"the driver knows CUDA {_version(known)}, and CuPy is made for "
            f"{_version(made_for)}",
            f"Install a newer driver, or CuPy for this one: {_extra(known)}.",
        )
        return
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except RuntimeError:
        count = 0
    if not count:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        note = "" if hidden is None else f" (CUDA_VISIBLE_DEVICES is {hidden!r})"
        yield Lack(f"the driver finds no GPU{note}", _DRIVER)


def _library_lacks(cupy: Any) -> Iterator[Lack]:
    extra = _extra(cupy.cuda.runtime.runtimeGetVersion())
    try:
        cupy.cuda.nvrtc.getVersion()
    except (ImportError, RuntimeError, OSError):
        yield Lack("NVRTC, which compiles kernels, is missing", f"Install it: {extra}.")
    try:
        import_module("cupy.cublas")
    except (ImportError, RuntimeError, OSError):
        yield Lack(
            "cuBLAS, which multiplies matrices, is missing", f"Install it: {extra}."
        )
    if not _has_headers():
        yield Lack(
            f"the CUDA headers ({_HEADER}) are missing, which kernels include",
            f"Install them: {extra}.",
        )


def _has_headers() -> bool:
    """Whether the compiler will find CUDA's headers, in a wheel or a toolkit."""
    from cuda import pathfinder

    folders = [os.environ.get("CUDA_PATH"), os.environ.get("CUDA_HOME")]
    found = pathfinder.find_nvidia_header_directory("cudart")
    places = [Path(found)] if found else []
    places += [Path(folder, "include") for folder in folders if folder]
    return any((place / _HEADER).exists() for place in places)


def _extra(version: int) -> str:
    """How to install what belongs to a version of CUDA."""
    major = min(max(version // 1000, _VERSIONS[0]), _VERSIONS[-1])
    return f"pip install 'netspec[cuda{major}]'"


def _version(number: int) -> str | None:
    """13020 as "13.2"; None for 0."""
    return f"{number // 1000}.{number % 1000 // 10}" if number else None


def _gpu(number: int) -> Gpu:
    cupy = _cupy()
    facts = cupy.cuda.runtime.getDeviceProperties(number)
    free, memory = cupy.cuda.Device(number).mem_info
    return Gpu(
        name=facts["name"].decode(),
        capability=f"{facts['major']}.{facts['minor']}",
        multiprocessors=facts["multiProcessorCount"],
        memory=memory,
        free=free,
    )
