"""The loop of a kernel in which its time is spent, as machine instructions."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

from tests.cudasim.offline.sass import FUNCTION, dump, instruction_name

_LINE = re.compile(
    r"^\s+/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)([^;]*);",
    re.MULTILINE,
)
_TARGET = re.compile(r"0x([0-9a-f]+)\s*$")
_WORK = ("HMMA", "FFMA")

Line = tuple[int, str, str]  # address, instruction, operands


@cache
def _code(cubin: Path) -> dict[str, list[Line]]:
    parts = FUNCTION.split(dump(cubin, "-sass"))
    return {
        name: [(int(at, 16), op, rest.strip()) for at, op, rest in _LINE.findall(text)]
        for name, text in zip(parts[1::2], parts[2::2])
    }


def _loops(code: list[Line]) -> list[tuple[int, int]]:
    """First and last address of each loop: of each jump back, but to itself."""
    found = []
    for at, operation, rest in code:
        target = _TARGET.search(rest)
        if operation.split(".")[0] == "BRA" and target:
            start = int(target[1], 16)
            if start < at:
                found.append((start, at))
    return found


def main_loop(cubin: Path, kernel: str) -> Counter[str]:
    """The instructions of the loop with the most products; all code, if none has any.

    Code that some rounds jump over counts as if it ran in each.
    """
    code = _code(cubin)[kernel]
    best: Counter[str] = Counter(
        instruction_name(operation) for _, operation, _ in code
    )
    most = 0
    for start, end in _loops(code):
        inside = Counter(
            instruction_name(op) for at, op, _ in code if start <= at <= end
        )
        work = sum(inside[name] for name in _WORK)
        if work > most or (work == most and inside.total() < best.total() and most):
            best, most = inside, work
    return best
