"""How fast VGG-16's kernels may be at most, on paper: a prediction, not a measurement.

    python tools/roofline.py                        # the convolutions, TF32
    python tools/roofline.py --precision fp32 --batch 64
    python tools/roofline.py --layer conv3_2        # its arithmetic
    python tools/roofline.py --write                # the table in docs/kernels.md

Each convolution's kernel runs on the emulator for one tile of the layer (all its
channels, its real width), where every access is counted; blocks, occupancy and the
instructions of the main loop come from what NVRTC makes for the device.  The layer then
takes as long as the most used of these needs, on the multiprocessor that has the most
blocks:

    tensor cores or FMA units    products of all tiles, also those that only fill up
    issue                        instructions of the main loop, four a clock
    shared memory                wavefronts, one a clock (bank conflicts included)
    L2                           32-byte sectors that were asked for
    DRAM                         every array once

Waiting that nothing hides is not in it.  The bound beside it is what any kernel needs:
the layer's products at the device's peak, or its arrays once through DRAM.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from netspec.backends.base import ConvolutionGeometry, Epilogue  # noqa: E402
from tests.cudasim.emulator import Statistic, Watching  # noqa: E402
from tests.cudasim.offline import nvrtc, occupancy, sass  # noqa: E402
from tests.cudasim.offline.kernels import source  # noqa: E402
from tests.cudasim.offline.loops import instructions_for_each  # noqa: E402
from tests.cudasim.standin import Launched, World, install  # noqa: E402
from tools.kernel_page import columns, table, write_part  # noqa: E402

with install():
    from netspec.backends.cuda.convolution.implicit import (
        COLUMNS,  # of a tile
        slabs_of_part,
    )

SECTOR = 32  # bytes


@dataclass(frozen=True)
class Device:
    """What a device can do, from its maker's tables.

    Attributes:
        clock: Hz, at which the peaks are told.
        products: fused multiply-adds a clock and multiprocessor, by precision.
        reached: of those on tensor cores, the part that mma.sync gets.
        dram, l2: bytes a second.
    """

    name: str
    architecture: str
    processors: int
    clock: float
    products: dict[str, int]
    reached: float
    dram: float
    l2: float

    def peak(self, precision: str) -> float:
        """Products a second."""
        return self.products[precision] * self.processors * self.clock


DEVICES = (
    # NVIDIA A100 Tensor Core GPU Architecture (whitepaper), tables 1 and 4: 19.5, 156
    # and 312 TFLOPS; L2 reads 5120 bytes a clock.
    Device(
        "A100 80GB SXM",
        "80",
        108,
        1.41e9,
        {"fp32": 64, "tf32": 512, "fp16": 1024},
        1.0,
        2039e9,
        5120 * 1.41e9,
    ),
    # NVIDIA H100 Tensor Core GPU Architecture (whitepaper), table 2: 494.7 and 989.4
    # TFLOPS at this clock; its 66.9 of FP32 are told at 1.98 GHz. That mma.sync gets
    # 63 % of it is reported in arXiv 2402.13499. The L2's rate is not told: an A100's,
    # at this clock.
    Device(
        "H100 80GB SXM",
        "90",
        132,
        1.83e9,
        {"fp32": 128, "tf32": 1024, "fp16": 2048},
        0.63,
        3352e9,
        5120 * 1.83e9,
    ),
)

# VGG-16: name, channels, filters, size of the input.
LAYERS = (
    ("conv1_1", 3, 64, 224),
    ("conv1_2", 64, 64, 224),
    ("conv2_1", 64, 128, 112),
    ("conv2_2", 128, 128, 112),
    ("conv3_1", 128, 256, 56),
    ("conv3_2", 256, 256, 56),
    ("conv4_1", 256, 512, 28),
    ("conv4_2", 512, 512, 28),
    ("conv5_1", 512, 512, 14),
)
OPERATIONS = ("forward", "data", "weights")
ISSUED = 4  # instructions a clock and multiprocessor
PRODUCTS = {"fp32": 32, "tf32": 16 * 8 * 8, "fp16": 16 * 8 * 16}  # of one instruction
WORK = {"fp32": "FFMA", "tf32": "HMMA", "fp16": "HMMA"}
FLOAT = 4  # bytes


@dataclass(frozen=True)
class Task:
    """One pass of one convolution: 3 × 3, stride 1, padded by 1."""

    layer: str
    operation: str
    batch: int
    channels: int
    filters: int
    size: int

    @property
    def positions(self) -> int:
        return self.batch * self.size**2

    @property
    def products(self) -> int:
        return self.positions * self.channels * self.filters * 9

    @property
    def bytes(self) -> int:
        """Of all arrays, once."""
        data = self.positions * (self.channels + self.filters)
        return FLOAT * (data + 9 * self.channels * self.filters)


@dataclass(frozen=True)
class Counted:
    """What one tile of a task did on the emulator, for each slab of its reduction."""

    kernel: str
    file: str
    threads: int
    tile: tuple[int, int]
    wavefronts: float
    conflicts: float  # of the wavefronts, those that bank conflicts cost
    sectors: float
    efficiency: float  # bytes that were asked for, of those in the sectors


def tasks(batch: int) -> Iterator[Task]:
    for layer, channels, filters, size in LAYERS:
        for operation in OPERATIONS:
            if (layer, operation) != ("conv1_1", "data"):
                yield Task(layer, operation, batch, channels, filters, size)


# -- the tile


def tile_rows(task: Task) -> int:
    """Rows of the tiles that the backend takes by default."""
    rows = task.channels if task.operation == "data" else task.filters
    return 128 if (rows - 1) % 128 >= 64 else 64


def sample(task: Task) -> tuple[ConvolutionGeometry, int]:
    """A geometry of one tile, and how many tiles' columns it fills."""
    rows, width = tile_rows(task), min(task.size, COLUMNS)
    high = max(1, COLUMNS // width)
    channels, filters = task.channels, rows
    pad = (0, 1)
    size = (high + 2, width)  # rows above and below are there, as inside an image
    if task.operation == "data":
        channels, filters, pad, size = rows, task.filters, (2, 1), (high, width)
    if task.operation == "weights":  # 14 channels of 9 taps are one tile's columns
        channels, size = min(task.channels, 14), (max(4, 2 * high) + 2, width)
    geometry = ConvolutionGeometry(
        1, channels, filters, size, (3, 3), (1, 1), pad, (1, 1)
    )
    return geometry, high * width


def run_sample(world: World, task: Task, precision: str) -> Launched:
    """The launch of the kernel that does the products."""
    import cupy

    from netspec.backends.cuda import CudaOps

    ops, (geometry, _) = CudaOps(precision=precision, exact=True), sample(task)
    x = cupy.zeros((1, geometry.channels, *geometry.input), "float32")
    w = cupy.zeros((geometry.filters, geometry.channels, 3, 3), "float32")
    y = cupy.zeros((1, geometry.filters, *geometry.output), "float32")
    world.launches.clear()
    if task.operation == "forward":
        ops.convolution_forward(x, w, None, y, geometry, Epilogue())
    elif task.operation == "data":
        ops.convolution_backward_data(y, w, x, geometry)
    else:
        ops.convolution_backward_weights(x, y, w, geometry)
    return max(world.launches, key=lambda each: each.launch.accesses)


def slabs_of(task: Task, precision: str, geometry: ConvolutionGeometry) -> int:
    """Slabs of the reduction: 16 words of one number, or of two halves."""
    depth = 16 * (2 if precision == "fp16" else 1)
    if task.operation == "weights":
        return ceil(prod(geometry.output) * geometry.batch / depth)
    of = geometry.filters if task.operation == "data" else geometry.channels
    return ceil(of * 9 / depth)


@cache
def counted(task: Task, precision: str) -> Counted:
    """Of a task of any batch."""
    watching = Watching(counts=True)
    with install(mode="check", watching=watching) as world:
        launched = run_sample(world, task, precision)
    geometry, columns = sample(task)
    blocks = prod(launched.grid)
    filled = columns / COLUMNS if task.operation != "weights" else 1.0
    slabs = slabs_of(task, precision, geometry) * blocks
    shared = [s for s in launched.launch.statistics if s.space == "shared"]
    loads = [s for s in launched.launch.statistics if is_load(s)]
    asked = sum(s.lanes * s.size for s in loads)
    sectors = sum(s.sectors for s in loads)
    return Counted(
        launched.kernel,
        "convolution" if precision == "fp32" else "convolution_tensor",
        prod(launched.block),
        (tile_rows(task), COLUMNS),
        sum(s.wavefronts for s in shared) / slabs,
        sum(s.conflicts for s in shared) / slabs,
        sectors / slabs / filled,
        asked / (sectors * SECTOR),
    )


def is_load(statistic: Statistic) -> bool:
    return statistic.space == "global" and not statistic.is_store


# -- the prediction


@dataclass(frozen=True)
class Prediction:
    """Seconds of one task on one device.

    Attributes:
        bound: what any kernel needs.
        reached: the same, where only mma.sync is used.
        needs: of each part of the device, were it alone.
        share: blocks of the busiest multiprocessor, of those of an average one.
        occupancy: warps present, of those that there may be.
    """

    bound: float
    reached: float
    needs: dict[str, float]
    share: float
    occupancy: float

    @property
    def limit(self) -> str:
        return max(self.needs, key=lambda name: self.needs[name])

    @property
    def seconds(self) -> float:
        return self.needs[self.limit] * self.share

    @property
    def part(self) -> float:
        """Of the bound."""
        return self.bound / self.seconds

    @property
    def part_reached(self) -> float:
        """Of what mma.sync allows."""
        return self.reached / self.seconds


def tiles_of(task: Task, tile: tuple[int, int]) -> tuple[int, int]:
    """Blocks of the launch, and slabs of each, of 16 rows of the reduction."""
    rows, columns = tile
    if task.operation == "weights":
        across = ceil(9 * task.channels / columns) * ceil(task.filters / rows)
        slabs = ceil(task.positions / 16)
        each = slabs_of_part(slabs, across)
        return across * ceil(slabs / each), each
    out, depth = (task.filters, task.channels)
    if task.operation == "data":
        out, depth = depth, out
    blocks = ceil(task.positions / columns) * ceil(out / rows)
    return blocks, ceil(9 * depth / 16)


def cubin_of(own: Counted, device: Device) -> Path:
    return nvrtc.compile_kernels(source(own.file), own.file, device.architecture)


def issued(own: Counted, precision: str, device: Device) -> float:
    """Instructions of the main loop for each that multiplies."""
    return instructions_for_each(cubin_of(own, device), own.kernel, WORK[precision])


def predict(task: Task, precision: str, device: Device) -> Prediction:
    own = counted(replace(task, batch=1), precision)
    kernel = sass.kernels(cubin_of(own, device))[own.kernel]
    blocks, slabs = tiles_of(task, own.tile)
    steps = blocks * slabs / (2 if precision == "fp16" else 1)
    resources = (device.architecture, kernel.registers, kernel.shared, own.threads)
    executed = blocks * slabs * 16 * prod(own.tile)
    reached = 1.0 if precision == "fp32" else device.reached
    instructions = issued(own, precision, device)
    a_second = device.processors * device.clock
    needs = {
        "products": executed / (device.peak(precision) * reached),
        "issue": executed / PRODUCTS[precision] * instructions / ISSUED / a_second,
        "shared": steps * own.wavefronts / a_second,
        "L2": steps * own.sectors * SECTOR / device.l2,
        "DRAM": task.bytes / device.dram,
    }
    peak = device.peak(precision)
    bounds = (
        max(task.products / peak, needs["DRAM"]),
        max(task.products / (peak * reached), needs["DRAM"]),
    )
    average = blocks / device.processors
    present = occupancy.occupancy(*resources)
    return Prediction(*bounds, needs, ceil(average) / average, present)


# -- the tables


def row(task: Task, precision: str) -> list[str]:
    own = counted(replace(task, batch=1), precision)
    cells = [task.layer, task.operation, own.kernel, f"{2e-9 * task.products:.1f}"]
    cells += [f"{task.bytes / 1e6:.0f}", f"{100 * own.efficiency:.0f}"]
    cells += [f"{100 * own.conflicts / max(1, own.wavefronts):.0f}"]
    for device in DEVICES:
        found = predict(task, precision, device)
        l2 = found.needs["L2"] * device.l2 / 1e6
        cells += [f"{l2:.0f}", f"{100 * found.occupancy:.0f}"]
        cells += [f"{found.bound * 1e3:.2f}", f"{found.seconds * 1e3:.2f}"]
        cells += [found.limit, f"{100 * found.part:.0f}"]
        cells += [f"{100 * found.part_reached:.0f}"]
    return cells


HEAD = [
    "layer",
    "pass",
    "kernel",
    "GFLOP",
    "DRAM MB",
    "sector eff. %",
    "conflicts %",
    *(
        f"{device.name.split()[0]} {what}"
        for device in DEVICES
        for what in (
            "L2 MB",
            "occ. %",
            "bound ms",
            "pred. ms",
            "limit",
            "% of bound",
            "% of mma.sync",
        )
    ),
]


def arithmetic(task: Task, precision: str) -> None:
    """One prediction, term by term."""
    own = counted(replace(task, batch=1), precision)
    for device in DEVICES:
        found = predict(task, precision, device)
        blocks, slabs = tiles_of(task, own.tile)
        print(f"\n{task.layer} {task.operation} by {own.kernel} on {device.name}:")
        print(f"  {blocks} blocks of {own.tile[0]} x {own.tile[1]}, {slabs} slabs each")
        print(f"  a slab: {own.wavefronts:.0f} wavefronts, {own.sectors:.0f} sectors")
        print(
            f"  {issued(own, precision, device):.1f} instructions for a product's one"
        )
        for name, seconds in found.needs.items():
            print(f"  {name:>9} alone: {seconds * 1e3:.3f} ms")
        print(
            f"  the busiest processor has {found.share:.2f} times its share of blocks:"
        )
        print(f"  {found.seconds * 1e3:.3f} ms are predicted, and that is")
        print(f"  {100 * found.part:.0f} % of the bound {found.bound * 1e3:.3f} ms")
        print(f"  {100 * found.part_reached:.0f} % of what mma.sync allows")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--precision", choices=sorted(PRODUCTS), default="tf32")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--layer", help="show the arithmetic of this layer")
    parser.add_argument("--write", action="store_true", help="docs/kernels.md")
    options: Any = parser.parse_args()
    np.seterr(all="ignore")
    chosen = list(tasks(options.batch))
    if options.layer:
        for task in chosen:
            if task.layer == options.layer:
                arithmetic(task, options.precision)
        return 0
    rows = [row(task, options.precision) for task in chosen]
    if options.write:
        write_part("roofline", table(HEAD, rows))
    print(columns(HEAD, rows))
    print("\nA prediction from counts and data sheets; nothing here ran on a GPU.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
