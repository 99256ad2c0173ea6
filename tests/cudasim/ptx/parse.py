"""PTX as text, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from tests.cudasim.ptx.types import TYPES, storage

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_ENTRY = re.compile(r"\.entry\s+([\w$]+)\s*\(([^)]*)\)([^{;]*)\{")
_PARAMETER = re.compile(
    r"\.param\s+(?:\.align\s+\d+\s+)?\.(\w+)[^,]*?([\w$]+)\s*(?:,|$)"
)
_ARRAY = re.compile(
    r"(\.extern\s+)?\.(shared|const|global|local)\s+(?:\.align\s+(\d+)\s+)?"
    r"\.(\w+)\s+([\w$]+)\s*(?:\[(\d*)\])?\s*(?:=\s*(\{[^}]*\}|[^;]+))?$",
    re.DOTALL,
)
_REGISTERS = re.compile(r"\.reg\s+\.(\w+)\s+(.*)$", re.DOTALL)
_LABEL = re.compile(r"^\s*([\w$]+):\s*")
_INSTRUCTION = re.compile(r"(?:@(!?)([%\w$]+)\s+)?([a-z][\w.:]*)\s*(.*)$", re.DOTALL)
_TARGETS = re.compile(r"\.branchtargets\s+(.*)$", re.DOTALL)


@dataclass(frozen=True)
class Instruction:
    """One instruction: ``@%p1 add.ftz.f32 %f1, %f2, 0f3F800000;``.

    Attributes:
        predicate: the register that decides, or "".
        negated: whether it decides by being false.
        name: ``"add"``.
        parts: what follows the name: ``("ftz", "f32")``.
        operands: as they are written.
    """

    predicate: str
    negated: bool
    name: str
    parts: tuple[str, ...]
    operands: tuple[str, ...]
    text: str

    @property
    def kind(self) -> str:
        """The last part: the type."""
        return self.parts[-1]


@dataclass(frozen=True)
class Array:
    """A named piece of memory."""

    space: str
    size: int
    alignment: int
    data: bytes  # what it begins with
    is_dynamic: bool


@dataclass
class Program:
    """A kernel."""

    name: str
    parameters: list[tuple[str, str]]  # type and name
    code: list[Instruction] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    registers: dict[str, np.dtype] = field(default_factory=dict)  # by name or prefix
    arrays: dict[str, Array] = field(default_factory=dict)
    targets: dict[str, list[str]] = field(default_factory=dict)

    def register(self, name: str) -> np.dtype:
        """How a register is kept."""
        if name in self.registers:
            return self.registers[name]
        return self.registers[name.rstrip("0123456789")]


def parse(text: str) -> dict[str, Program]:
    """The kernels of a file of PTX, by name."""
    text = _COMMENT.sub("", text)
    bodies = [(m, _end(text, m.end())) for m in _ENTRY.finditer(text)]
    shared = _outside(text, [(m.start(), end) for m, end in bodies])
    found = {}
    for match, end in bodies:
        parameters = [(p[1], p[2]) for p in _PARAMETER.finditer(match[2].strip())]
        program = Program(match[1], parameters, arrays=dict(shared))
        for statement in _statements(text[match.end() : end]):
            _take(program, statement)
        found[match[1]] = program
    return found


def _end(text: str, start: int) -> int:
    """Where the brace that was opened before *start* is closed."""
    depth = 1
    for match in re.finditer(r"[{}]", text[start:]):
        depth += 1 if match[0] == "{" else -1
        if not depth:
            return start + match.start()
    raise ValueError("a brace is never closed")


def _outside(text: str, bodies: list[tuple[int, int]]) -> dict[str, Array]:
    """The arrays that stand before and between kernels."""
    found, last = {}, 0
    for start, end in [*bodies, (len(text), len(text))]:
        for statement in text[last:start].split(";"):
            match = _ARRAY.search(statement.strip())
            if match:
                found[match[5]] = _array(match)
        last = end
    return found


def _statements(body: str) -> list[str]:
    """What stands between semicolons; braces of scopes are dropped, not of vectors."""
    body = re.sub(r"(^|[;:{}]\s*|\n)\s*[{}]\s*(?=\n|\s|$)", r"\1 ", body)
    return [part.strip() for part in body.split(";") if part.strip()]


def _take(program: Program, statement: str) -> None:
    statement = (
        statement.lstrip("{} \t\n").rstrip("} \t\n")
        if (statement.count("{") != statement.count("}"))
        else statement
    )
    while label := _LABEL.match(statement):
        program.labels[label[1]] = len(program.code)
        statement = statement[label.end() :]
        targets = _TARGETS.match(statement)
        if targets:
            program.targets[label[1]] = [t.strip() for t in targets[1].split(",")]
            return
    if match := _REGISTERS.match(statement):
        _take_registers(program, match[1], match[2])
    elif match := _ARRAY.match(statement):
        program.arrays[match[5]] = _array(match)
    elif statement and not statement.startswith("."):
        program.code.append(_instruction(statement))


def _take_registers(program: Program, kind: str, names: str) -> None:
    for name in names.split(","):
        plain = re.sub(r"<\d+>", "", name).strip()
        program.registers[plain] = storage(kind)


def _array(match: re.Match[str]) -> Array:
    dtype = TYPES[match[4]]
    values = re.findall(r"[-\w.]+", match[7] or "")
    data = b"".join(_bytes(v, dtype) for v in values)
    count = int(match[6]) if match[6] else 1
    is_dynamic = match[1] is not None
    size = 0 if is_dynamic else max(count * dtype.itemsize, len(data))
    return Array(match[2], size, int(match[3] or dtype.itemsize), data, is_dynamic)


def _bytes(text: str, dtype: np.dtype) -> bytes:
    """A number as it lies in memory: 0f3F800000, 0d..., -1, 0x10."""
    is_float = text[:2] in ("0f", "0F", "0d", "0D")
    number = int(text[2:], 16) if is_float else int(text, 0)
    size = dtype.itemsize
    return (number & (1 << 8 * size) - 1).to_bytes(size, "little")


def _instruction(statement: str) -> Instruction:
    match = _INSTRUCTION.match(statement)
    if not match:
        raise ValueError(f"not PTX: {statement}")
    name, *parts = match[3].split(".")
    return Instruction(
        match[2] or "",
        bool(match[1]),
        name,
        tuple(parts),
        tuple(_split(match[4])),
        " ".join(statement.split()),
    )


def _split(operands: str) -> list[str]:
    """Operands, at commas that are in no brackets."""
    found, depth, current = [], 0, ""
    for letter in operands:
        depth += (letter in "{[(") - (letter in "}])")
        if letter == "," and not depth:
            found.append(current.strip())
            current = ""
        else:
            current += letter
    if current.strip():
        found.append(current.strip())
    return found
