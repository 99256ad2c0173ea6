"""How well each kernel's accesses fit the memories, counted on the emulator.

    python tools/access_census.py              # the kernels of VGG's layers
    python tools/access_census.py --write      # in docs/kernels.md

For each kernel: the part of the 32-byte sectors that it asks of global memory which it
uses, for loads and for stores; the wavefronts of shared memory that bank conflicts
cost; the occupancy.  These kernels move each number once or twice, so memory bounds
them: at best they take the bytes of their arrays through the device's DRAM, and
sectors that are not fully used are so much more through its L2.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from netspec.backends.base import (  # noqa: E402
    AxisSplit,
    LrnWindow,
    PoolingGeometry,
)
from netspec.backends.reference.update import Steps  # noqa: E402
from netspec.random import Key  # noqa: E402
from tests.cudasim.emulator import Statistic, Watching  # noqa: E402
from tests.cudasim.offline import nvrtc, occupancy, sass  # noqa: E402
from tests.cudasim.offline.kernels import (  # noqa: E402
    kernel_files,
    signatures,
    source,
)
from tests.cudasim.standin import Launched, install  # noqa: E402
from tools.kernel_page import columns, table, write_part  # noqa: E402

SECTOR = 32
ARCHITECTURES = ("80", "90")
SHAPE = (2, 16, 28, 28)
CLASSES = 1000
LEARNED = 40_000

Make = Callable[..., Any]


def pooling(ops: Any, new: Make) -> None:
    n, c, h, w = SHAPE
    geometry = PoolingGeometry(n, c, (h, w), (h // 2, w // 2), (2, 2), (2, 2), (0, 0))
    x, y = new(SHAPE), new((n, c, h // 2, w // 2))
    index = new(y.shape, "uint8")
    ops.max_pool(x, y, index, geometry)
    ops.max_pool_backward(y, index, x, geometry)
    ops.average_pool(x, y, geometry)


def activations(ops: Any, new: Make) -> None:
    x, y, mask = new(SHAPE), new(SHAPE), new(SHAPE, "uint8")
    ops.relu(x, y)
    ops.relu_backward(y, x, x)
    ops.dropout(x, y, mask, 0.5, Key(1, "drop"))
    ops.dropout_backward(x, mask, y, 0.5)


def normalisation(ops: Any, new: Make) -> None:
    window = LrnWindow(5, 1e-4, 0.75, 1.0)
    ops.lrn_across(new(SHAPE), new(SHAPE), window)
    ops.lrn_across_backward(new(SHAPE), new(SHAPE), new(SHAPE), window)


def loss(ops: Any, new: Make) -> None:
    axis = AxisSplit(16, CLASSES, 1)
    x, labels = new((16, CLASSES)), new((16,))
    prob, value = new(x.shape), new((1,))
    ops.softmax_loss(x, labels, prob, value, axis)
    ops.softmax_loss_backward(prob, labels, value, x, axis)
    ops.accuracy(x, labels, value, None, axis, 5)


def update(ops: Any, new: Make) -> None:
    ends = np.array([LEARNED])
    decays = np.array([5e-4]), np.array([0.0])
    steps = Steps(np.array([0]), ends, np.array([0.01]), *decays)
    ops.sgd_update(new(LEARNED), new(LEARNED), new(LEARNED), steps, 0.9)
    ops.add(new(LEARNED), new(LEARNED), new(LEARNED))


def biases(ops: Any, new: Make) -> None:
    ops.channel_sums(new(SHAPE), new(SHAPE[1]))
    ops.channel_bias(new(SHAPE), new(SHAPE[1]))


def products(ops: Any, new: Make) -> None:
    x, w, y = new((64, 512)), new((256, 512)), new((64, 256))
    ops.inner_product_forward(x, w, new(256), y)
    ops.inner_product_backward_data(y, w, x)
    ops.inner_product_backward_weights(x, y, w, new(256))


FAMILIES = (pooling, activations, normalisation, loss, update, biases, products)


def launches() -> dict[str, Launched]:
    """The last launch of each kernel of the families."""
    with install(mode="check", watching=Watching(counts=True)) as world:
        import cupy

        from netspec.backends.cuda import CudaOps

        ops = CudaOps(precision="tf32")
        for family in FAMILIES:
            family(ops, lambda shape, kind="float32": cupy.zeros(shape, kind))
        return {each.kernel: each for each in world.launches}


def used(statistics: Iterable[Statistic], stores: bool) -> str:
    """The part of the sectors' bytes that was asked for, in percent."""
    own = [s for s in statistics if s.space == "global" and s.is_store == stores]
    sectors = sum(s.sectors for s in own)
    ideal = sum(s.ideal_sectors for s in own)
    return f"{100 * ideal / sectors:.0f}" if sectors else ""


def conflicts(statistics: Iterable[Statistic]) -> str:
    """The part of the wavefronts that bank conflicts cost, in percent."""
    own = [s for s in statistics if s.space == "shared"]
    wavefronts = sum(s.wavefronts for s in own)
    lost = sum(s.conflicts for s in own)
    return f"{100 * lost / wavefronts:.0f}" if wavefronts else ""


def files() -> dict[str, str]:
    """The file of each kernel."""
    return {kernel: file for file in kernel_files() for kernel in signatures(file)}


def row(launched: Launched, file: str) -> list[str]:
    statistics, threads = launched.launch.statistics, prod(launched.block)
    cells = [f"{file}.cu", launched.kernel, str(threads)]
    cells += [used(statistics, False), used(statistics, True), conflicts(statistics)]
    for architecture in ARCHITECTURES:
        cubin = nvrtc.compile_kernels(source(file), file, architecture)
        own = sass.kernels(cubin)[launched.kernel]
        resources = (own.registers, own.shared + launched.shared, threads)
        cells.append(f"{100 * occupancy.occupancy(architecture, *resources):.0f}")
    return cells


HEAD = ["file", "kernel", "threads", "loads used %", "stores used %", "conflicts %"]
HEAD += [f"occupancy % sm_{architecture}" for architecture in ARCHITECTURES]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="docs/kernels.md")
    options = parser.parse_args()
    of_kernel = files()
    found = sorted((of_kernel[k], k, each) for k, each in launches().items())
    rows = [row(each, file) for file, _, each in found]
    if options.write:
        write_part("census", table(HEAD, rows))
    print(columns(HEAD, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
