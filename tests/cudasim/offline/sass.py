"""What a compiled kernel is made of: registers, memory, machine instructions."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from tests.cudasim.offline.nvrtc import roots

_RESOURCES = re.compile(r"Function (\S+):\s*\n\s*(.*)")
_RESOURCE = re.compile(r"(REG|STACK|SHARED|LOCAL):(\d+)")
FUNCTION = re.compile(r"Function : (\S+)")
_INSTRUCTION = re.compile(
    r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)", re.MULTILINE
)
_MEMORY = ("LD", "ST", "LDG", "STG", "LDS", "STS", "LDL", "STL", "LDSM", "LDGSTS")
_SYSTEM_SHARED = 1024  # bytes a block that sm_90 and newer keep for themselves


@dataclass(frozen=True)
class Compiled:
    """Facts of one kernel for one architecture.

    Attributes:
        registers: of a thread.
        shared: bytes of static shared memory of a block.
        local: bytes of a thread in local memory: arrays, spilt registers.
        instructions: how often each stands in the code, as "FFMA" or, for memory, with
            its width in bits: "LDG.128".
    """

    registers: int
    shared: int
    stack: int
    local: int
    instructions: dict[str, int]

    def count(self, *names: str) -> int:
        """How many instructions have one of these names."""
        return sum(self.instructions.get(name, 0) for name in names)


@cache
def cuobjdump() -> str | None:
    """NVIDIA's disassembler; None where there is none."""
    for root in roots():
        if (root / "bin" / "cuobjdump").exists():
            return str(root / "bin" / "cuobjdump")
    return shutil.which("cuobjdump")


def dump(cubin: Path, option: str) -> str:
    """What cuobjdump says of a file."""
    tool = cuobjdump()
    assert tool, "no cuobjdump"
    path = os.pathsep.join([str(Path(tool).parent), os.environ["PATH"]])
    done = subprocess.run(
        [tool, option, str(cubin)],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
        check=True,
    )
    return done.stdout


def kernels(cubin: Path) -> dict[str, Compiled]:
    """The kernels of a file; read once, and kept beside it."""
    known = cubin.with_suffix(".json")
    if not known.exists():
        found = {name: asdict(each) for name, each in _read(cubin).items()}
        partial = known.with_suffix(f".{os.getpid()}.tmp")
        partial.write_text(json.dumps(found))
        os.replace(partial, known)
    return {
        name: Compiled(**each) for name, each in json.loads(known.read_text()).items()
    }


def _read(cubin: Path) -> dict[str, Compiled]:
    resources = dict(_RESOURCES.findall(dump(cubin, "--dump-resource-usage")))
    parts = FUNCTION.split(dump(cubin, "-sass"))
    code = dict(zip(parts[1::2], parts[2::2]))
    is_new = int(re.findall(r"sm_(\d+)", cubin.name)[0]) >= 90
    return {
        name: _compiled(resources[name], text, _SYSTEM_SHARED if is_new else 0)
        for name, text in code.items()
    }


def _compiled(resources: str, code: str, system_shared: int) -> Compiled:
    found = {name: int(number) for name, number in _RESOURCE.findall(resources)}
    return Compiled(
        registers=found["REG"],
        shared=max(0, found["SHARED"] - system_shared),
        stack=found["STACK"],
        local=found["LOCAL"],
        instructions=dict(Counter(map(instruction_name, _INSTRUCTION.findall(code)))),
    )


def instruction_name(instruction: str) -> str:
    """Its family and, where it moves data, its width: "LDG.128"."""
    family, *parts = instruction.split(".")
    if family not in _MEMORY:
        return family
    width = next((part for part in parts if part in ("64", "128")), "32")
    return f"{family}.{width}"
