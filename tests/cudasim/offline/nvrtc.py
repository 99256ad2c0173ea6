"""NVRTC, the compiler that CuPy uses, by its own C functions.

Not through CuPy: that asks the driver for the device, and cuts off the last byte of
what it compiles, which NVIDIA's tools then refuse to read.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import sysconfig
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from tests.cudasim.emulator.build import digest, folder

ARCHITECTURES = ("80", "86", "89", "90", "100", "120")
OLD_ARCHITECTURE = "75"  # no asynchronous copies, no TF32

# As netspec.backends.cuda.launch gives them, and what CuPy adds.
OPTIONS = ("-std=c++17", "-ftz=true", "--device-as-default-execution-space")


class CompileError(Exception):
    """NVRTC refuses a text; its words are the message."""


def roots() -> Iterator[Path]:
    """Folders with ``include`` and ``lib``: NVIDIA's wheels, then toolkits."""
    wheels = Path(sysconfig.get_paths()["purelib"]) / "nvidia"
    yield from sorted(wheels.glob("cu1*"), reverse=True)
    yield from sorted(wheels.glob("cuda_*"))
    for variable in ("CUDA_PATH", "CUDA_HOME"):
        if os.environ.get(variable):
            yield Path(os.environ[variable])
    yield Path("/usr/local/cuda")


@cache
def library_path() -> str | None:
    """Where NVRTC is; None: nowhere."""
    for root in roots():
        for place in ("lib", "lib64"):
            found = sorted((root / place).glob("libnvrtc.so.*"))
            if found:
                return str(found[0])
    return ctypes.util.find_library("nvrtc")


@cache
def includes() -> tuple[str, ...]:
    """The folders of CUDA's headers."""
    found = [root / "include" for root in roots()]
    found += [path / "cccl" for path in found]
    return tuple(str(path) for path in found if path.is_dir())


@cache
def _library() -> ctypes.CDLL:
    path = library_path()
    if path is None:
        raise CompileError("no NVRTC")
    return ctypes.CDLL(path)


@cache
def version() -> tuple[int, int]:
    """NVRTC's, such as (13, 2)."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    _library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


class _Program:
    """One text under compilation."""

    def __init__(self, text: str, name: str) -> None:
        self._handle = ctypes.c_void_p()
        made = (text.encode(), f"{name}.cu".encode(), 0, None, None)
        self._check(_library().nvrtcCreateProgram(ctypes.byref(self._handle), *made))

    def __enter__(self) -> _Program:
        return self

    def __exit__(self, *_: object) -> None:
        _library().nvrtcDestroyProgram(ctypes.byref(self._handle))

    def _check(self, status: int) -> None:
        if status:
            raise CompileError(f"NVRTC: error {status}\n{self._get('ProgramLog')!r}")

    def _get(self, what: str) -> bytes:
        size = ctypes.c_size_t()
        get = getattr(_library(), f"nvrtcGet{what}Size")
        get(self._handle, ctypes.byref(size))
        data = ctypes.create_string_buffer(size.value)
        getattr(_library(), f"nvrtcGet{what}")(self._handle, data)
        return data.raw

    def compile(self, options: Sequence[str]) -> str:
        """Returns what the compiler says.

        Raises:
            CompileError: it refuses.
        """
        given = [option.encode() for option in options]
        array = (ctypes.c_char_p * len(given))(*given)
        status = _library().nvrtcCompileProgram(self._handle, len(given), array)
        log = self._get("ProgramLog").rstrip(b"\0").decode()
        if status:
            raise CompileError(log)
        return log

    def cubin(self) -> bytes:
        return self._get("CUBIN")

    def ptx(self) -> bytes:
        return self._get("PTX").rstrip(b"\0")


def compile_kernels(
    text: str,
    name: str,
    architecture: str,
    kind: str = "cubin",
    options: Sequence[str] = OPTIONS,
) -> Path:
    """The file of what NVRTC makes of a text; compiled once, kept in the user's cache.

    Args:
        architecture: such as ``"80"``.
        kind: ``"cubin"`` or ``"ptx"``.

    Raises:
        CompileError: it refuses, or it has something to say.
    """
    target = "sm" if kind == "cubin" else "compute"
    given = [*options, f"-arch={target}_{architecture}"]
    key = digest(text, given, version(), kind)
    path = folder() / f"{name}-{target}_{architecture}-{key}.{kind}"
    if path.exists():
        return path
    with _Program(text, name) as program:
        log = program.compile([*given, *(f"-I{path}" for path in includes())])
        if log.strip():
            raise CompileError(log)
        data = program.cubin() if kind == "cubin" else program.ptx()
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    partial.write_bytes(data)
    os.replace(partial, path)
    return path
