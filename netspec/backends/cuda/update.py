"""Update rules over the arena: one launch each, with the segments as a table."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cupy
import numpy as np
from numpy.typing import NDArray

from netspec.backends.cuda.launch import BLOCK, GRID_CAP, KernelFile, f32, f64, i32
from netspec.backends.cuda.maps import each
from netspec.backends.cuda.sums import total, whole
from netspec.backends.reference.update import Steps

Array = Any

KERNELS = KernelFile("update")
CHUNK = 4096  # elements that a block takes at a time, as in kernels/update.cu


class CudaUpdateOps:
    """The arithmetic of the reference, in its order."""

    def sum_squares(self, x: Array) -> float:
        """See :meth:`UpdateOps.sum_squares`; waits for the device."""
        return total(whole("square_sum", x))

    def all_finite(self, x: Array) -> bool:
        """See :meth:`UpdateOps.all_finite`; waits for the device."""
        return total(whole("not_finite", x)) == 0

    def sgd_update(
        self, w: Array, gradient: Array, velocity: Array, steps: Steps, momentum: float
    ) -> None:
        """See :meth:`UpdateOps.sgd_update`."""
        _step("sgd", (w, gradient, velocity), steps, momentum)

    def nesterov_update(
        self, w: Array, gradient: Array, velocity: Array, steps: Steps, momentum: float
    ) -> None:
        """See :meth:`UpdateOps.nesterov_update`."""
        _step("nesterov", (w, gradient, velocity), steps, momentum)

    def adagrad_update(
        self, w: Array, gradient: Array, squares: Array, steps: Steps, delta: float
    ) -> None:
        """See :meth:`UpdateOps.adagrad_update`."""
        _step("adagrad", (w, gradient, squares), steps, delta)

    def rmsprop_update(
        self,
        w: Array,
        gradient: Array,
        squares: Array,
        steps: Steps,
        decay: float,
        delta: float,
    ) -> None:
        """See :meth:`UpdateOps.rmsprop_update`."""
        _step("rmsprop", (w, gradient, squares), steps, decay, 1 - decay, delta)

    def adadelta_update(
        self,
        w: Array,
        gradient: Array,
        squares: Array,
        updates: Array,
        steps: Steps,
        momentum: float,
        delta: float,
    ) -> None:
        """See :meth:`UpdateOps.adadelta_update`."""
        arrays = w, gradient, squares, updates
        _step("adadelta", arrays, steps, momentum, 1 - momentum, delta)

    def adam_update(
        self,
        w: Array,
        gradient: Array,
        mean: Array,
        squares: Array,
        steps: Steps,
        momentum: float,
        momentum2: float,
        delta: float,
    ) -> None:
        """See :meth:`UpdateOps.adam_update`."""
        numbers = momentum, 1 - momentum, momentum2, 1 - momentum2, delta
        _step("adam", (w, gradient, mean, squares), steps, *numbers)

    def adamw_update(
        self,
        w: Array,
        gradient: Array,
        mean: Array,
        squares: Array,
        steps: Steps,
        momentum: float,
        momentum2: float,
        delta: float,
    ) -> None:
        """See :meth:`UpdateOps.adamw_update`."""
        numbers = momentum, 1 - momentum, momentum2, 1 - momentum2, delta
        _step("adamw", (w, gradient, mean, squares), steps, *numbers)

    def average_update(self, average: Array, w: Array, decay: float) -> None:
        """See :meth:`UpdateOps.average_update`."""
        each(KERNELS, "average", (w, average), f32(1 - decay))


def _step(
    kernel: str, arrays: tuple[Array, ...], steps: Steps, *numbers: float
) -> None:
    """Launch a rule (arrays, table, rate, l2, l1, scale, numbers)."""
    segments = len(steps.start)
    if not segments:
        return
    largest, factors = zip(*map(_factors, (steps.rate, steps.l2, steps.l1)))
    table = _table(
        cupy.cuda.Device().id,
        steps.start.tobytes(),
        steps.stop.tobytes(),
        np.concatenate(factors).tobytes(),
    )
    begin = int(steps.start[0]) // CHUNK
    chunks = -(-int(steps.stop[-1]) // CHUNK) - begin
    arguments = *arrays, *table, i32(segments), *map(f64, largest), f32(steps.scale)
    KERNELS.launch(
        kernel,
        (max(1, min(chunks, GRID_CAP)),),
        (BLOCK,),
        (*arguments, *map(f32, numbers)),
    )


def _factors(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """The largest value, and all of them as its multiples.

    A learning rate changes from step to step, what lr_mult makes of it does not.
    """
    largest = float(np.max(np.abs(values)))
    return largest, values / largest if largest else np.zeros_like(values)


@lru_cache(maxsize=256)
def _table(
    device: int, start: bytes, stop: bytes, factors: bytes
) -> tuple[Array, Array, Array]:
    """The segments on a device."""
    kinds = (np.int64, np.int64, np.float64)
    texts = start, stop, factors
    return tuple(cupy.asarray(np.frombuffer(t, k)) for t, k in zip(texts, kinds))  # type: ignore[return-value]
