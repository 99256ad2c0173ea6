"""From the counts of one tile to the time of a layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil, prod
from pathlib import Path

from tests.cudasim.emulator import Statistic, Watching
from tests.cudasim.offline import nvrtc, occupancy, sass
from tests.cudasim.offline.kernels import source
from tests.cudasim.offline.loops import main_loop
from tests.cudasim.standin import Launched, install
from tools.roofline_model.devices import (
    DEPTH,
    INTEGER,
    INTEGER_PIPES,
    ISSUED,
    PRODUCTS,
    SECTOR,
    WORK,
    Device,
)
from tools.roofline_model.tasks import Task


@dataclass(frozen=True)
class Counted:
    """What a tile did on the emulator, for each slab of its reduction.

    Attributes:
        conflicts: of the wavefronts, those that bank conflicts cost.
        efficiency: of the sectors' bytes, those that were asked for.
    """

    kernel: str
    file: str
    threads: int
    wavefronts: float
    conflicts: float
    sectors: float
    efficiency: float


@cache
def counted(task: Task, precision: str) -> Counted:
    """What a tile of a task did."""
    launched = _launched(task, precision)
    slabs = task.sample_slabs(precision, prod(launched.grid))
    statistics = launched.launch.statistics
    shared = [s for s in statistics if s.space == "shared"]
    loads = [s for s in statistics if _is_load(s)]
    sectors = sum(s.sectors for s in loads)
    return Counted(
        launched.kernel,
        task.file(precision),
        prod(launched.block),
        sum(s.wavefronts for s in shared) / slabs,
        sum(s.conflicts for s in shared) / slabs,
        sectors / slabs,
        sum(s.lanes * s.size for s in loads) / (sectors * SECTOR),
    )


def _launched(task: Task, precision: str) -> Launched:
    """The launch of the sample that does the products."""
    with install(mode="check", watching=Watching(counts=True)) as world:
        import cupy

        from netspec.backends.cuda import CudaOps

        ops = CudaOps(precision=precision, exact=True)
        task.run_sample(ops, lambda shape: cupy.zeros(shape, "float32"))
        return max(world.launches, key=lambda each: each.launch.accesses)


def _is_load(statistic: Statistic) -> bool:
    return statistic.space == "global" and not statistic.is_store


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
        """The part of the device that decides."""
        return max(self.needs, key=lambda name: self.needs[name])

    @property
    def seconds(self) -> float:
        """All blocks; DRAM and L2 serve all multiprocessors, however they share."""
        of_all = max(self.needs["DRAM"], self.needs["L2"])
        own = max(s for name, s in self.needs.items() if name not in ("DRAM", "L2"))
        return max(of_all, own * self.share)

    @property
    def part(self) -> float:
        """Of the bound."""
        return self.bound / self.seconds

    @property
    def part_reached(self) -> float:
        """Of what mma.sync allows."""
        return self.reached / self.seconds


def cubin_of(own: Counted, device: Device) -> Path:
    """The kernel's file for a device."""
    return nvrtc.compile_kernels(source(own.file), own.file, device.architecture)


def issued(own: Counted, precision: str, device: Device) -> float:
    """Instructions of the main loop for each that multiplies."""
    loop = main_loop(cubin_of(own, device), own.kernel)
    return loop.total() / max(1, loop[WORK[precision]])


def integer(own: Counted, precision: str, device: Device) -> float:
    """The same, of the kind of integer instructions that there are the most of."""
    loop = main_loop(cubin_of(own, device), own.kernel)
    most = max(sum(loop[name] for name in pipe.split()) for pipe in INTEGER_PIPES)
    return most / max(1, loop[WORK[precision]])


def predict(task: Task, precision: str, device: Device) -> Prediction:
    """How long a task takes on a device."""
    own, reached = counted(task, precision), device.reached
    blocks, slabs = task.blocks(precision)
    steps, peak = blocks * slabs, device.peak(precision)
    executed = steps * DEPTH[precision] * prod(task.tile(precision))
    work = executed / PRODUCTS[precision]
    a_second = device.processors * device.clock
    if precision == "fp32":
        reached = 1.0
    needs = {
        "products": executed / (peak * reached),
        "issue": work * issued(own, precision, device) / ISSUED / a_second,
        "integer": work * integer(own, precision, device) / INTEGER / a_second,
        "shared": steps * own.wavefronts / a_second,
        "L2": steps * own.sectors * SECTOR / device.l2,
        "DRAM": task.bytes / device.dram,
    }
    average = blocks / device.processors
    return Prediction(
        max(task.products / peak, needs["DRAM"]),
        max(task.products / (peak * reached), needs["DRAM"]),
        needs,
        ceil(average) / average,
        _present(own, device),
    )


def _present(own: Counted, device: Device) -> float:
    kernel = sass.kernels(cubin_of(own, device))[own.kernel]
    resources = (kernel.registers, kernel.shared, own.threads)
    return occupancy.occupancy(device.architecture, *resources)
