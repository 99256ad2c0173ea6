"""Write what NVIDIA's compiler makes of the kernels into docs/kernels.md.

    python tools/kernel_table.py              # the table in docs/kernels.md
    python tools/kernel_table.py --check      # only see whether it is up to date
    python tools/kernel_table.py --budgets    # and the budgets that tests hold

Needs no GPU: NVRTC compiles for every architecture, cuobjdump reads the result.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.cudasim.emulator.translate import entries  # noqa: E402
from tests.cudasim.offline import budgets, nvrtc, occupancy, sass  # noqa: E402
from tests.cudasim.offline.kernels import kernel_files, source  # noqa: E402
from tools.kernel_page import PAGE, with_part, write_part  # noqa: E402

SHOWN = nvrtc.ARCHITECTURES
BLOCK = 256  # threads, where the kernel says no other number


@cache
def compiled(file: str) -> dict[str, dict[str, sass.Compiled]]:
    """The kernels of a file: by name, by architecture."""
    by_architecture = {
        a: sass.kernels(nvrtc.compile_kernels(source(file), file, a))
        for a in nvrtc.ARCHITECTURES
    }
    return {
        name: {a: kernels[name] for a, kernels in by_architecture.items()}
        for name in by_architecture[SHOWN[0]]
    }


def threads(file: str) -> dict[str, int]:
    """Threads of a block of each kernel, as its launch bounds tell."""
    found = {e.name: e.most_threads.strip() for e in entries(source(file))}
    return {
        name: int(text) if text.isdigit() and text != "1024" else BLOCK
        for name, text in found.items()
    }


def row(file: str, name: str) -> str:
    """The line of one kernel."""
    kernels, block = compiled(file)[name], threads(file)[name]
    own = kernels[SHOWN[0]]
    counts = budgets.counts(own)
    cells = [f"`{name}`", str(block)]
    cells += ["/".join(str(kernels[a].registers) for a in SHOWN)]
    cells += [str(own.shared), str(max(k.local + k.stack for k in kernels.values()))]
    cells += ["/".join(f"{part(kernels[a], a, block):.0f}" for a in SHOWN)]
    cells += [str(counts[n] or "") for n in ("HMMA", "LDG.128", "STG.128", "LDGSTS")]
    return f"| {' | '.join(cells)} |"


def part(kernel: sass.Compiled, architecture: str, block: int) -> float:
    """Occupancy in percent."""
    of = (architecture, kernel.registers, kernel.shared, block)
    return 100 * occupancy.occupancy(*of)


def table() -> str:
    """The tables of all files."""
    archs = "/".join(SHOWN)
    head = (
        f"| kernel | threads | registers sm_{archs} | shared | local | "
        f"occupancy % sm_{archs} | HMMA | LDG.128 | STG.128 | LDGSTS |"
    )
    lines = []
    for file in kernel_files():
        rows = [row(file, name) for name in compiled(file)]
        lines += [f"### {file}.cu", "", head, f"|{' --- |' * 10}", *rows, ""]
    return "\n".join(lines)


def write_budgets() -> None:
    """Let every kernel have what it uses now."""
    found = {
        file: {name: budgets.measured(each) for name, each in compiled(file).items()}
        for file in kernel_files()
    }
    budgets.FILE.write_text(json.dumps(found, indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--budgets", action="store_true", help="budgets.json as well")
    options = parser.parse_args()
    body = table()
    if options.check:
        text = PAGE.read_text(encoding="utf-8")
        return int(with_part(text, "table", body) != text)
    write_part("table", body)
    if options.budgets:
        write_budgets()
    return 0


if __name__ == "__main__":
    sys.exit(main())
