"""What each kernel may use, and what its code has to have, on every architecture.

The file ``budgets.json`` holds, for each kernel of each file, the most registers (in
steps of 8, in which warps are given them) and the least wide loads and stores,
asynchronous copies and tensor-core instructions. ``python tools/kernel_table.py
--budgets`` writes it anew; a change of it is part of the change of a kernel.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.cudasim.offline.sass import Compiled

FILE = Path(__file__).with_name("budgets.json")
STEP = 8

# What counts of the instructions, and under which names it stands in the code.
COUNTED = {
    "LDG.128": ("LDG.128", "LD.128"),
    "STG.128": ("STG.128", "ST.128"),
    "LDS.128": ("LDS.128",),
    "LDGSTS": ("LDGSTS.32", "LDGSTS.64", "LDGSTS.128"),
    "HMMA": ("HMMA",),
}
_NAMES = tuple(COUNTED)

Budget = dict[str, int]


def budgets() -> dict[str, dict[str, Budget]]:
    """By file and kernel."""
    found: dict[str, dict[str, Budget]] = json.loads(FILE.read_text())
    return found


def counts(kernel: Compiled) -> dict[str, int]:
    """The counted instructions of a kernel."""
    return {name: kernel.count(*names) for name, names in COUNTED.items()}


def measured(kernels: Mapping[str, Compiled]) -> Budget:
    """The budget that fits one kernel as it is, from its architectures."""
    most = max(each.registers for each in kernels.values())
    budget = {"registers": -(-most // STEP) * STEP}
    for name in _NAMES:
        least = min(counts(each)[name] for each in kernels.values())
        if least:
            budget[name] = least
    return budget


def overdrafts(kernel: Compiled, budget: Budget) -> list[str]:
    """In which ways a kernel does not keep to its budget."""
    found = []
    if kernel.registers > budget["registers"]:
        found.append(f"{kernel.registers} registers, {budget['registers']} allowed")
    has = counts(kernel)
    for name in set(budget) - {"registers"}:
        if has[name] < budget[name]:
            found.append(f"{has[name]} {name}, at least {budget[name]} wanted")
    return found
