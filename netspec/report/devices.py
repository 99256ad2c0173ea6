"""What a machine computes with: facts that decide speed, and what is not used."""

from __future__ import annotations

import os
import platform
from ctypes.util import find_library
from dataclasses import asdict
from pathlib import Path
from typing import Any

_CPUINFO, _MEMINFO = Path("/proc/cpuinfo"), Path("/proc/meminfo")
_NVIDIA = Path("/proc/driver/nvidia/version")
_FLOAT_BITS = 32


def devices() -> dict[str, Any]:
    """Facts by name; plain values, for tables and JSON alike."""
    from netspec.backends import DEVICES

    return {"cpu": _cpu(), "memory": _memory(), "cuda": _cuda(), "devices": DEVICES}


def _cpu() -> dict[str, Any]:
    from netspec.backends.cpu import threads
    from netspec.backends.cpu.vectors import WIDTH

    return {
        "model": _model(),
        "cores": os.cpu_count() or 1,
        "usable_cores": _usable_cores(),
        "threads": threads.default_count(),
        "vector_bits": WIDTH * _FLOAT_BITS,
        "blas": _blas(),
    }


def _usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _model() -> str:
    fields = _fields(_CPUINFO)
    return fields.get("model name") or platform.processor() or platform.machine()


def _blas() -> list[str]:
    """The BLAS libraries in this process: SciPy's is the one that computes."""
    import scipy.linalg  # noqa: F401  (loads its BLAS)
    from threadpoolctl import threadpool_info

    found = [info for info in threadpool_info() if info["user_api"] == "blas"]
    names = (
        f"{info['internal_api']} {info['version']} ({_whose(info)})" for info in found
    )
    return list(dict.fromkeys(names))


def _whose(info: dict[str, Any]) -> str:
    """The package that a library came with, or its path."""
    path = str(info["filepath"])
    return next((name for name in ("scipy", "numpy") if f"{name}.libs" in path), path)


def _memory() -> dict[str, int | None]:
    """Bytes of the machine, and those that are free for programs; None: unknown."""
    fields = _fields(_MEMINFO)
    return {
        "total": _bytes(fields.get("MemTotal", "")),
        "available": _bytes(fields.get("MemAvailable", "")),
    }


def _bytes(text: str) -> int | None:
    number, _, unit = text.partition(" ")
    return int(number) * 1024 if number.isdecimal() and unit == "kB" else None


def _fields(path: Path) -> dict[str, str]:
    """The first ``name: value`` lines of a file of Linux; none elsewhere."""
    fields: dict[str, str] = {}
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return fields
    for line in lines:
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    return fields


def _cuda() -> dict[str, Any]:
    """The driver, the GPUs, and what is missing for them to be used."""
    from netspec.backends.cuda_support import gpus, lacks, versions

    lines = _NVIDIA.read_text().splitlines() if _NVIDIA.exists() else []
    driver = lines[0].partition(":")[2].strip() if lines else None
    missing = [asdict(lack) for lack in lacks()]
    return {
        "usable": not missing,
        "driver": driver,
        "library": find_library("cuda"),
        **versions(),
        "gpus": [asdict(gpu) for gpu in gpus()],
        "missing": missing,
    }
