"""How fast VGG-16's products may be at most, on paper: a prediction, no measurement.

    python tools/roofline.py                        # TF32
    python tools/roofline.py --precision fp32 --batch 32
    python tools/roofline.py --layer conv3_2        # its arithmetic
    python tools/roofline.py --write                # the table in docs/kernels.md

Each kernel runs on the emulator for one tile of the layer (all its channels, its real
width), where every access is counted; blocks, occupancy and the instructions of the
main loop come from what NVRTC makes for the device.  The layer then takes as long as
the most used of these needs, on the multiprocessor that has the most blocks:

    products    tensor cores or FMA units, also for what only fills up tiles
    issue       instructions of the main loop, four a clock
    integer     those of them on an integer pipe, two a clock
    shared      wavefronts of shared memory, one a clock (bank conflicts included)
    L2          32-byte sectors that were asked for
    DRAM        every array once

Waiting that nothing hides is not in it.  The bound beside it is what any kernel needs:
the layer's products at the device's peak, or its arrays once through DRAM.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.kernel_page import columns, table, write_part  # noqa: E402
from tools.roofline_model.devices import DEVICES, PRODUCTS, Device  # noqa: E402
from tools.roofline_model.predict import counted, issued, predict  # noqa: E402
from tools.roofline_model.tasks import Task, tasks  # noqa: E402

OF_TASK = ("layer", "pass", "kernel", "GFLOP", "DRAM MB", "sectors used %")
OF_TASK += ("conflicts %",)
OF_DEVICE = ("L2 MB", "occ. %", "bound ms", "pred. ms", "limit", "% of bound")
OF_DEVICE += ("% of mma.sync",)
HEAD = [
    *OF_TASK,
    *(f"{device.name.split()[0]} {what}" for device in DEVICES for what in OF_DEVICE),
]


def row(task: Task, precision: str) -> list[str]:
    """A line of the table."""
    own = counted(task, precision)
    cells = [task.layer, task.operation, own.kernel, f"{2e-9 * task.products:.1f}"]
    cells += [f"{task.bytes / 1e6:.0f}", f"{100 * own.efficiency:.0f}"]
    cells += [f"{100 * own.conflicts / own.wavefronts:.0f}"]
    return cells + [c for d in DEVICES for c in on_device(task, precision, d)]


def on_device(task: Task, precision: str, device: Device) -> list[str]:
    """Its part for one device."""
    found = predict(task, precision, device)
    return [
        f"{found.needs['L2'] * device.l2 / 1e6:.0f}",
        f"{100 * found.occupancy:.0f}",
        f"{found.bound * 1e3:.2f}",
        f"{found.seconds * 1e3:.2f}",
        found.limit,
        f"{100 * found.part:.0f}",
        f"{100 * found.part_reached:.0f}",
    ]


def arithmetic(task: Task, precision: str, device: Device) -> str:
    """One prediction, term by term."""
    own, found = counted(task, precision), predict(task, precision, device)
    blocks, slabs = task.blocks(precision)
    rows, of_tile = task.tile(precision)
    loop = issued(own, precision, device)
    lines = [
        f"{task.layer} {task.operation} by {own.kernel} on {device.name}:",
        f"{blocks} blocks of {rows} x {of_tile}, {slabs} slabs each",
        f"a slab: {own.wavefronts:.0f} wavefronts, {own.sectors:.0f} sectors; "
        f"{loop:.1f} instructions for each that multiplies",
        *(f"{name:>9} alone: {s * 1e3:.3f} ms" for name, s in found.needs.items()),
        f"the busiest multiprocessor has {found.share:.2f} times its share of blocks",
        f"predicted: {found.seconds * 1e3:.3f} ms",
        f"{100 * found.part:.0f} % of the bound, {found.bound * 1e3:.3f} ms",
        f"{100 * found.part_reached:.0f} % of what mma.sync allows",
    ]
    return "\n  ".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--precision", choices=sorted(PRODUCTS), default="tf32")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--layer", help="show the arithmetic of this layer")
    parser.add_argument("--write", action="store_true", help="docs/kernels.md")
    options = parser.parse_args()
    chosen = list(tasks(options.batch, options.precision))
    if options.layer:
        for task in (t for t in chosen if t.layer == options.layer):
            for device in DEVICES:
                print(arithmetic(task, options.precision, device), end="\n\n")
    else:
        rows = [row(task, options.precision) for task in chosen]
        if options.write:
            write_part("roofline", table(HEAD, rows))
        print(columns(HEAD, rows), end="\n\n")
    print("A prediction from counts and data sheets; nothing here ran on a GPU.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
