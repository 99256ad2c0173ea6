"""A kernel file's text made ready for g++: the little that its grammar refuses."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DYNAMIC_SHARED = re.compile(
    r"extern\s+__shared__\s+(?:(?:__align__|alignas)\s*\([^)]*\)\s*)?"
    r"((?:unsigned\s+|signed\s+|const\s+)*[\w:]+)\s+"
    r"(?:(?:__align__|alignas)\s*\([^)]*\)\s*)?(\w+)\s*\[\s*\]\s*;"
)
_BOUNDS = r"(?:__launch_bounds__\s*\(([^)]*)\)\s*)?"
_ENTRY = re.compile(
    rf'extern\s+"C"\s+__global__\s+{_BOUNDS}void\s+{_BOUNDS}(\w+)\s*\(([^)]*)\)'
)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_LINE = '#line 1 "kernel.cu"\n'


@dataclass(frozen=True)
class Parameter:
    """One parameter as the kernel declares it."""

    name: str
    is_pointer: bool
    is_const: bool  # what it points to is only read
    is_restrict: bool  # nobody else writes what it points to, nor reads if it writes


@dataclass(frozen=True)
class Entry:
    """A kernel: its name, parameters and most threads a block, as C++ has it."""

    name: str
    parameters: tuple[Parameter, ...]
    most_threads: str


def entries(code: str) -> tuple[Entry, ...]:
    """The ``extern "C" __global__`` kernels of a text, in order."""
    found = _ENTRY.findall(_COMMENT.sub(" ", code))
    return tuple(
        Entry(name, _parameters(text), (before or after or "1024").split(",")[0])
        for before, after, name, text in found
    )


def _parameters(text: str) -> tuple[Parameter, ...]:
    return tuple(_parameter(part) for part in text.split(",") if part.strip())


def _parameter(text: str) -> Parameter:
    name = re.findall(r"\w+", text)[-1]
    before_star = text.split("*")[0]
    return Parameter(
        name,
        is_pointer="*" in text,
        is_const=bool(re.search(r"\bconst\b", before_star)),
        is_restrict="__restrict__" in text,
    )


def unit(code: str) -> str:
    """The text that g++ compiles: the kernels, and a way into each of them."""
    body = _DYNAMIC_SHARED.sub(
        lambda m: f"{m[1]}* {m[2]} = ({m[1]}*)cuh_dynamic_shared();", code
    )
    exports = [
        f"CUH_EXPORT({number}, ({entry.most_threads}), {entry.name})"
        for number, entry in enumerate(entries(code))
    ]
    return "\n".join(['#include "cuda_host.h"', _LINE + body, *exports, ""])
