"""The kernels' text: files of ``kernels/`` with their includes in place, and what their
entry points take.

CuPy caches a compiled kernel under a hash of the text that it is given, and does not
look into what that includes.  So a local ``#include "x.cuh"`` is replaced by the file's
text; ``#line`` keeps the compiler's messages true.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

KERNELS = Path(__file__).with_name("kernels")

_INCLUDE = re.compile(r'^\s*#\s*include\s+"([\w./]+)"\s*$')
_ONCE = re.compile(r"^\s*#\s*pragma\s+once\s*$")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_ENTRY = re.compile(
    r'extern\s+"C"\s+__global__\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?'
    r"void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\(([^)]*)\)"
)

# C's types of elements and numbers, as CuPy passes them.
TYPES: dict[str, np.dtype[Any]] = {
    "float": np.dtype(np.float32),
    "double": np.dtype(np.float64),
    "__half": np.dtype(np.float16),
    "half": np.dtype(np.float16),
    "signed char": np.dtype(np.int8),
    "unsigned char": np.dtype(np.uint8),
    "short": np.dtype(np.int16),
    "unsigned short": np.dtype(np.uint16),
    "int": np.dtype(np.int32),
    "unsigned int": np.dtype(np.uint32),
    "unsigned": np.dtype(np.uint32),
    "long long": np.dtype(np.int64),
    "unsigned long long": np.dtype(np.uint64),
    # Vectors: an array of their elements.
    "float2": np.dtype(np.float32),
    "float4": np.dtype(np.float32),
    "double2": np.dtype(np.float64),
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel: an array of *dtype*, or a number of it."""

    name: str
    dtype: np.dtype[Any]
    is_array: bool


Signatures = dict[str, tuple[Parameter, ...]]


def kernel_files() -> tuple[str, ...]:
    """The names of all kernel files, without ``.cu``, sorted."""
    return tuple(sorted(path.stem for path in KERNELS.glob("*.cu")))


@cache
def source(name: str) -> str:
    """The text of ``kernels/NAME.cu``, its local includes in place, each once."""
    return "".join(_with_includes(f"{name}.cu", set()))


def _with_includes(file: str, seen: set[str]) -> list[str]:
    """The lines of a file of ``kernels/``; *seen* are files that are in place."""
    seen.add(file)
    lines = [f'#line 1 "{file}"\n']
    text = (KERNELS / file).read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        found = _INCLUDE.match(line)
        if found and found[1] not in seen:
            lines += _with_includes(found[1], seen)
            lines.append(f'#line {number + 1} "{file}"\n')
        else:
            lines.append("\n" if found or _ONCE.match(line) else line)
    return lines


@cache
def signatures(name: str) -> Signatures:
    """What each ``extern "C" __global__`` kernel of a file takes, in order.

    Raises:
        ValueError: a parameter's type is none of :data:`TYPES`.
    """
    return parse_signatures(source(name))


def parse_signatures(text: str) -> Signatures:
    """The same for a text."""
    plain = _COMMENT.sub(" ", text)
    return {
        kernel: tuple(_parameter(kernel, p) for p in parameters.split(",") if p.strip())
        for kernel, parameters in _ENTRY.findall(plain)
    }


def _parameter(kernel: str, text: str) -> Parameter:
    words = re.sub(r"\b(const|volatile|__restrict__)\b|\*", " ", text).split()
    kind, name = " ".join(words[:-1]), words[-1]
    if kind not in TYPES:
        raise ValueError(f"kernel {kernel}: parameter {name} has the type {kind!r}")
    return Parameter(name, TYPES[kind], "*" in text)
