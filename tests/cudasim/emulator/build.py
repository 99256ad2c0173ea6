"""Compiles with g++, once: what was built is kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from netspec.kernel_cache import cache_folder

HERE = Path(__file__).resolve().parent
INCLUDE = HERE / "include"
RUNTIME = HERE / "runtime"
KEPT_DAYS = 30

COMMON = ["-std=c++17", "-fPIC"]
# The device rounds where the text does; contraction is the compilers' own business.
KERNEL = [
    *COMMON,
    "-fno-strict-aliasing",
    "-ffp-contract=off",
    "-fno-gnu-unique",
    "-w",
    *(["-mavx2", "-mf16c", "-mfma"] if platform.machine() == "x86_64" else []),
]
# Of the sanitizers only the compilers' call-outs: runtime/callouts.cpp answers them.
CHECKED = [
    "-O1",
    "-g",
    "-fsanitize=thread,alignment,bounds,integer-divide-by-zero",
    "--param",
    "tsan-instrument-func-entry-exit=0",
    # Keep the accesses as the kernel wrote them.
    "-fno-tree-sra",
    "-fno-crossjumping",
    "-fno-tree-tail-merge",
]
MODES = {"fast": ["-O2"], "check": CHECKED}


class BuildError(Exception):
    """The compiler refuses a kernel; its words are the message."""


@cache
def compiler() -> str | None:
    """The C++ compiler (``CXX``, else g++), or None where there is none."""
    return shutil.which(os.environ.get("CXX", "g++"))


@cache
def folder() -> Path:
    """Where what was built is kept; what is old goes, and is built again if needed."""
    path = cache_folder() / "cudasim"
    path.mkdir(parents=True, exist_ok=True)
    limit = time.time() - KEPT_DAYS * 24 * 3600
    for old in path.iterdir():
        with suppress(OSError):  # another process was faster
            if old.is_file() and old.stat().st_mtime < limit:
                old.unlink()
    return path


@cache
def version() -> str:
    """The compiler's own version."""
    return _run([_compiler(), "--version"])


def _compiler() -> str:
    found = compiler()
    if found is None:
        raise BuildError("no g++: kernels cannot be emulated here")
    return found


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(done.stderr[:6000])
    return done.stdout


def digest(*parts: object) -> str:
    """A name for what is made of these."""
    joined = hashlib.blake2b(digest_size=10)
    for part in parts:
        joined.update(repr(part).encode() + b"\0")
    return joined.hexdigest()


def _text(files: Sequence[Path]) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in files)


@cache
def headers() -> str:
    """The text of all headers."""
    return _text(sorted(INCLUDE.glob("*.h")))


def _make(path: Path, command: Sequence[str]) -> Path:
    """Run a compiler unless its output is there; several threads may do so."""
    if not path.exists():
        partial = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.tmp")
        try:
            _run([*command, "-o", str(partial)])
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    return path


@cache
def runtime() -> Path:
    """The emulated machine as a library."""
    sources = sorted(RUNTIME.glob("*.cpp"))
    text = _text([*sources, *sorted(RUNTIME.glob("*.h"))])
    name = f"runtime-{digest(text, headers(), version())}.so"
    flags = [*COMMON, "-O2", "-g", "-shared"]
    return _make(folder() / name, [_compiler(), *flags, *map(str, sources)])


def module(text: str, mode: str, options: Sequence[str] = ()) -> Path:
    """A module of kernels as a library, from its translated text."""
    flags = [*KERNEL, *MODES[mode], *options]
    library = runtime()
    stem = f"kernels-{digest(text, flags, headers(), library.name, version())}"
    path = folder() / f"{stem}.so"
    if path.exists():
        return path
    unit = folder() / f"{stem}.{os.getpid()}.cpp"
    unit.write_text(text, encoding="utf-8")
    link = [str(library), f"-Wl,-rpath,{folder()}"]
    try:
        compiled = _make(
            path.with_suffix(".o"),
            [_compiler(), *flags, "-I", str(INCLUDE), "-c", str(unit)],
        )
        return _make(path, [_compiler(), "-shared", str(compiled), *link])
    finally:
        unit.unlink(missing_ok=True)
