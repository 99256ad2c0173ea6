"""Update rules, compiled: one pass over memory, shared out over the workers.

Every element is computed alone, so the workers cannot change a bit; sums take pieces
of one size and add the pieces' sums in order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec.backends.cpu.threads import claim, share
from netspec.backends.reference.update import PIECE, Steps, UpdateOps
from netspec.compiled import njit

Array = Any
SUMS = 256  # of a piece, side by side in vectors
_kernel = njit(cache=True, nogil=True, error_model="numpy")


@njit(cache=True, inline="always")
def _stepped(w, gradient, scale, l2, l1):  # type: ignore[no-untyped-def]
    """g = scale · gradient + l2 · W + l1 · sign(W), each term only where it acts."""
    g = gradient * scale
    g = g + l2 * w if l2 != 0 else g
    g = g + l1 if (l1 != 0) & (w > 0) else g
    return g - l1 if (l1 != 0) & (w < 0) else g


@_kernel
def _sgd(  # type: ignore[no-untyped-def]
    counter,
    tasks,
    workspace,
    pieces,
    rows,
    scale,
    weights,
    gradients,
    velocities,
    momentum,
):
    task = claim(counter)
    while task < tasks:
        start, stop, segment = pieces[task]
        rate, l2, l1 = rows[segment]
        part = slice(start, stop)
        w, d, v = weights[part], gradients[part], velocities[part]
        for i in range(w.size):
            g = _stepped(w[i], d[i], scale, l2, l1)
            v[i] = momentum * v[i] + rate * g
            w[i] -= v[i]
        task = claim(counter)


@_kernel
def _nesterov(  # type: ignore[no-untyped-def]
    counter,
    tasks,
    workspace,
    pieces,
    rows,
    scale,
    weights,
    gradients,
    velocities,
    momentum,
    ahead,
):
    task = claim(counter)
    while task < tasks:
        start, stop, segment = pieces[task]
        rate, l2, l1 = rows[segment]
        part = slice(start, stop)
        w, d, v = weights[part], gradients[part], velocities[part]
        for i in range(w.size):
            g = _stepped(w[i], d[i], scale, l2, l1)
            before = momentum * v[i]
            v[i] = before + rate * g
            w[i] -= ahead * v[i] - before
        task = claim(counter)


@_kernel
def _adagrad(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, pieces, rows, scale, weights, gradients, squares, delta
):
    task = claim(counter)
    while task < tasks:
        start, stop, segment = pieces[task]
        rate, l2, l1 = rows[segment]
        part = slice(start, stop)
        w, d, h = weights[part], gradients[part], squares[part]
        for i in range(w.size):
            g = _stepped(w[i], d[i], scale, l2, l1)
            h[i] += g * g
            w[i] -= rate * (g / (np.sqrt(h[i]) + delta))
        task = claim(counter)


@_kernel
def _rmsprop(  # type: ignore[no-untyped-def]
    counter,
    tasks,
    workspace,
    pieces,
    rows,
    scale,
    weights,
    gradients,
    squares,
    decay,
    rest,
    delta,
):
    task = claim(counter)
    while task < tasks:
        start, stop, segment = pieces[task]
        rate, l2, l1 = rows[segment]
        part = slice(start, stop)
        w, d, h = weights[part], gradients[part], squares[part]
        for i in range(w.size):
            g = _stepped(w[i], d[i], scale, l2, l1)
            h[i] = decay * h[i] + rest * (g * g)
            w[i] -= rate * (g / (np.sqrt(h[i]) + delta))
        task = claim(counter)


@_kernel
def _adadelta(  # type: ignore[no-untyped-def]
    counter,
    tasks,
    workspace,
    pieces,
    rows,
    scale,
    weights,
    gradients,
    squares,
    updates,
    momentum,
    rest,
    delta,
):
    task = claim(counter)
    while task < tasks:
        start, stop, segment = pieces[task]
        rate, l2, l1 = rows[segment]
        part = slice(start, stop)
        w, d, h, u = weights[part], gradients[part], squares[part], updates[part]
        for i in range(w.size):
            g = _stepped(w[i], d[i], scale, l2, l1)
            h[i] = momentum * h[i] + rest * (g * g)
            update = g * np.sqrt((u[i] + delta) / (h[i] + delta))
            u[i] = momentum * u[i] + rest * (update * update)
            w[i] -= rate * update
        task = claim(counter)


@_kernel
def _adam(  # type: ignore[no-untyped-def]
    counter,
    tasks,
    workspace,
    pieces,
    rows,
    scale,
    weights,
    gradients,
    means,
    squares,
    m1,
    r1,
    m2,
    r2,
    delta,
):
    task = claim(counter)
    while task < tasks:
        start, stop, segment = pieces[task]
        rate, l2, l1 = rows[segment]
        part = slice(start, stop)
        w, d, m, h = weights[part], gradients[part], means[part], squares[part]
        for i in range(w.size):
            g = _stepped(w[i], d[i], scale, l2, l1)
            m[i] = m1 * m[i] + r1 * g
            h[i] = m2 * h[i] + r2 * (g * g)
            w[i] -= rate * (m[i] / (np.sqrt(h[i]) + delta))
        task = claim(counter)


@_kernel
def _adamw(  # type: ignore[no-untyped-def]
    counter,
    tasks,
    workspace,
    pieces,
    rows,
    scale,
    weights,
    gradients,
    means,
    squares,
    m1,
    r1,
    m2,
    r2,
    delta,
):
    task = claim(counter)
    while task < tasks:
        start, stop, segment = pieces[task]
        rate, l2, l1 = rows[segment]
        part = slice(start, stop)
        w, d, m, h = weights[part], gradients[part], means[part], squares[part]
        for i in range(w.size):
            g = d[i] * scale
            m[i] = m1 * m[i] + r1 * g
            h[i] = m2 * h[i] + r2 * (g * g)
            if l2 != 0:
                w[i] -= l2 * w[i]
            if l1 != 0:
                if w[i] > 0:
                    w[i] -= l1
                elif w[i] < 0:
                    w[i] += l1
            w[i] -= rate * (m[i] / (np.sqrt(h[i]) + delta))
        task = claim(counter)


@_kernel
def _average(counter, tasks, workspace, averages, weights, rest):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        part = slice(task * PIECE, (task + 1) * PIECE)
        average, w = averages[part], weights[part]
        for i in range(w.size):
            average[i] += rest * (w[i] - average[i])
        task = claim(counter)


@_kernel
def _squares(counter, tasks, workspace, x, sums):  # type: ignore[no-untyped-def]
    """SUMS partial sums, each of every SUMS-th element: the same on any machine."""
    task = claim(counter)
    while task < tasks:
        stop = min((task + 1) * PIECE, x.size)
        partial = np.zeros(SUMS)
        for start in range(task * PIECE, stop, SUMS):
            values = x[start : min(start + SUMS, stop)]
            for i in range(values.size):
                partial[i] += np.float64(values[i]) * np.float64(values[i])
        total = 0.0
        for i in range(SUMS):
            total += partial[i]
        sums[task] = total
        task = claim(counter)


@_kernel
def _finite(counter, tasks, workspace, x, fine):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        values = x[task * PIECE : (task + 1) * PIECE]
        good = 0
        for i in range(values.size):
            good += values[i] - values[i] == 0
        fine[task] = good == values.size
        task = claim(counter)


def _pieces(steps: Steps) -> NDArray[np.int64]:
    """The segments cut into pieces of like size: start, stop, segment of each."""
    cut = [
        (at, min(at + PIECE, stop), s)
        for s, (start, stop) in enumerate(zip(steps.start, steps.stop))
        for at in range(int(start), int(stop), PIECE)
    ]
    return np.array(cut, np.int64).reshape(-1, 3)


def _launch(
    kernel: Any, steps: Steps, arrays: tuple[Array, ...], *numbers: float
) -> None:
    """Run a kernel with every number in the arrays' own float type."""
    kind = arrays[0].dtype.type
    rows = np.stack([steps.rate, steps.l2, steps.l1], axis=1).astype(kind)
    pieces = _pieces(steps)
    numbers = tuple(map(kind, numbers))
    scale, work = kind(steps.scale), 8 * arrays[0].size
    share(kernel, len(pieces), pieces, rows, scale, *arrays, *numbers, work=work)


def _number_of_pieces(x: Array) -> int:
    return -(-x.size // PIECE)


class CpuUpdateOps(UpdateOps):
    """:class:`UpdateOps` by kernels, in any float type."""

    def sum_squares(self, x: Array) -> float:
        """See :meth:`UpdateOps.sum_squares`."""
        sums = np.zeros(_number_of_pieces(x))
        share(_squares, sums.size, x.reshape(-1), sums, work=x.size)
        return float(sum(sums.tolist()))

    def all_finite(self, x: Array) -> bool:
        """See :meth:`UpdateOps.all_finite`."""
        fine = np.ones(_number_of_pieces(x), np.bool_)
        share(_finite, fine.size, x.reshape(-1), fine, work=x.size)
        return bool(fine.all())

    def sgd_update(
        self, w: Array, gradient: Array, velocity: Array, steps: Steps, momentum: float
    ) -> None:
        """See :meth:`UpdateOps.sgd_update`."""
        _launch(_sgd, steps, (w, gradient, velocity), momentum)

    def nesterov_update(
        self, w: Array, gradient: Array, velocity: Array, steps: Steps, momentum: float
    ) -> None:
        """See :meth:`UpdateOps.nesterov_update`."""
        _launch(_nesterov, steps, (w, gradient, velocity), momentum, 1 + momentum)

    def adagrad_update(
        self, w: Array, gradient: Array, squares: Array, steps: Steps, delta: float
    ) -> None:
        """See :meth:`UpdateOps.adagrad_update`."""
        _launch(_adagrad, steps, (w, gradient, squares), delta)

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
        arrays = (w, gradient, squares)
        _launch(_rmsprop, steps, arrays, decay, 1 - decay, delta)

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
        arrays = (w, gradient, squares, updates)
        _launch(_adadelta, steps, arrays, momentum, 1 - momentum, delta)

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
        rest, rest2 = 1 - momentum, 1 - momentum2
        arrays = (w, gradient, mean, squares)
        _launch(_adam, steps, arrays, momentum, rest, momentum2, rest2, delta)

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
        rest, rest2 = 1 - momentum, 1 - momentum2
        arrays = (w, gradient, mean, squares)
        _launch(_adamw, steps, arrays, momentum, rest, momentum2, rest2, delta)

    def average_update(self, average: Array, w: Array, decay: float) -> None:
        """See :meth:`UpdateOps.average_update`."""
        rest = w.dtype.type(1 - decay)
        share(_average, _number_of_pieces(w), average, w, rest, work=2 * w.size)
