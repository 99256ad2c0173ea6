"""What the debugging information of a built module tells: its arrays, its lines."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.cudasim.emulator.build import INCLUDE

_SYMBOL = re.compile(r"^(\w+) (\w+) ([a-zA-Z]) (\S+)$", re.MULTILINE)
_SECTION = re.compile(
    r"\s(\.rodata\S*|\.data\.rel\.ro\S*)\s+\w+\s+(\w+) (\w+) (\w+)", re.MULTILINE
)
_VARIABLES = "bBdDrRuvV"
_ANCHOR = "cuh_launch_0"


@dataclass(frozen=True)
class Variable:
    """Memory of a module: where it lies from the module's base, and what it is."""

    offset: int
    size: int
    name: str
    is_shared: bool


def _tool(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@cache
def _symbols(module: Path) -> list[tuple[str, str, str, str]]:
    return _SYMBOL.findall(_tool("nm", "-S", "--defined-only", str(module)))


@cache
def variables(module: Path) -> tuple[Variable, ...]:
    """Shared arrays (the statics inside functions) and tables of a module."""
    found = [
        Variable(int(offset, 16), int(size, 16), *_described(name))
        for offset, size, kind, name in _symbols(module)
        if kind in _VARIABLES
    ]
    sections = _SECTION.findall(_tool("readelf", "-SW", str(module)))
    found += [
        Variable(int(address, 16), int(size, 16), name, False)
        for name, address, _, size in sections
    ]
    return tuple(sorted(found, key=lambda variable: not variable.is_shared))


def _described(symbol: str) -> tuple[str, bool]:
    """The readable name of a variable, and whether it is shared memory."""
    if not symbol.startswith("_ZZ"):
        return symbol, False
    return _tool("c++filt", symbol).strip().rsplit("::", 1)[-1], True


def anchor(module: Path) -> tuple[str, int]:
    """The name of an exported function, and its offset from the module's base."""
    output = _tool("nm", "--defined-only", str(module))
    found = re.search(rf"^(\w+) T {_ANCHOR}$", output, re.MULTILINE)
    assert found, f"{module.name} exports no kernel"
    return _ANCHOR, int(found[1], 16)


@cache
def place(module: Path, offset: int) -> str:
    """The file and line of the kernel's text behind a return address."""
    output = _tool("addr2line", "-i", "-e", str(module), hex(offset - 1))
    lines = [line.split(" ")[0] for line in output.splitlines()]
    # By name: what is kept may have been built from another copy of this folder.
    headers = {header.name for header in INCLUDE.iterdir()}
    own = [line for line in lines if Path(line).name.split(":")[0] not in headers]
    return Path((own or lines or ["?"])[0]).name
