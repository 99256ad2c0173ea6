"""A bench for one layer: arrays around it, forward, backward, gradients by difference.

Usage::

    trial = Trial('type: "Power" power_param { power: 2 shift: 0.3 }', [(2, 3, 4)])
    trial.forward()              # fills trial.top
    trial.backward([diff])       # fills trial.bottom_diff, trial.param_diff
    check_layer(trial)           # shapes, inputs untouched, all gradients (float64)

Bottoms are shapes (filled with normal draws, seeded) or arrays.  A layer in place
shares its first bottom with its first top, data and diff, as a net does it; an alias
layer gets views.  Every diff and scratch array starts as NaN (or 255), so that what a
layer forgets to write shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf import text_format

from netspec.layers import LAYERS
from netspec.layers.base import Alias, Layer, Run, Shapes
from netspec.proto import TRAIN, LayerParameter
from netspec.random import Key

Bottom = tuple[int, ...] | np.ndarray


def reference_ops() -> Any:
    """The complete NumPy backend."""
    from netspec.backends.numpy_ops import NumpyOps

    return NumpyOps()


def both_ops() -> list[Any]:
    """The reference and the CPU backend."""
    from netspec.backends.cpu import CpuOps

    return [reference_ops(), CpuOps()]


def make_layer(text: str, bottoms: int = 1, tops: int = 1, phase: int = TRAIN) -> Layer:
    """A layer from the body of its prototxt; missing blob names are made up."""
    proto = text_format.Parse(text, LayerParameter())
    proto.name = proto.name or "probe"
    if not proto.bottom:
        proto.bottom.extend(f"bottom{i}" for i in range(bottoms))
    if not proto.top:
        proto.top.extend(f"top{i}" for i in range(tops))
    return LAYERS[proto.type](proto, phase)


def infer(text: str, shapes: Shapes, tops: int = 1, phase: int = TRAIN) -> Shapes:
    """Top shapes of a layer, its arity checked as a graph does it."""
    layer = make_layer(text, len(shapes), tops, phase)
    layer.check_arity(len(shapes), len(layer.proto.top))
    return layer.infer_shapes(shapes)


class Trial:
    """A layer with every array it needs.

    Args:
        text: body of the layer's prototxt.
        bottoms: a shape or an array for each bottom.
        params: values of the parameters; by default normal draws.
        gradient: which bottoms get a diff; by default those the layer allows.
        run: further fields of :class:`~netspec.layers.base.Run`.
    """

    def __init__(
        self,
        text: str,
        bottoms: Sequence[Bottom],
        *,
        tops: int = 1,
        phase: int = TRAIN,
        ops: Any = None,
        dtype: Any = np.float64,
        in_place: bool = False,
        params: Sequence[np.ndarray] | None = None,
        gradient: Sequence[bool] | None = None,
        seed: int = 1,
        **run: Any,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = np.dtype(dtype)
        self.ops = ops or reference_ops()
        self.in_place = in_place
        self.layer = make_layer(text, len(bottoms), tops, phase)
        self.start = [self._array(b) for b in bottoms]
        self.shapes: Shapes = tuple(b.shape for b in self.start)
        self.layer.check_arity(len(self.shapes), len(self.layer.proto.top))
        self.top_shapes = self.layer.infer_shapes(self.shapes)
        self.run = Run(geometry=self.layer.geometry(self.shapes), **run)
        if "key" not in run:
            self.run.key = Key(97, "probe")
        self._fill_run(params, gradient)

    def _array(self, bottom: Bottom) -> np.ndarray:
        if isinstance(bottom, tuple):
            bottom = self.rng.standard_normal(bottom)
        return np.array(bottom, self.dtype, order="C")

    def _nan(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.full(shape, np.nan, self.dtype)

    def _fill_run(
        self,
        params: Sequence[np.ndarray] | None,
        gradient: Sequence[bool] | None,
    ) -> None:
        run, layer = self.run, self.layer
        specs = layer.params(self.shapes)
        drawn = [self.rng.standard_normal(s.shape) for s in specs]
        run.param = [np.array(p, self.dtype) for p in (params or drawn)]
        run.param_diff = [
            np.zeros_like(p) if s.trainable else None for p, s in zip(run.param, specs)
        ]
        if gradient is None:
            gradient = [layer.allows_force_backward(b) for b in range(len(self.start))]
        run.bottom = [b.copy() for b in self.start]
        run.bottom_diff = [
            self._nan(b.shape) if wanted else None
            for b, wanted in zip(self.start, gradient)
        ]
        run.top = [self._nan(s) for s in self.top_shapes]
        run.top_diff = [self._nan(s) for s in self.top_shapes]
        self._share()
        for name, spec in layer.scratch(self.shapes, self.in_place).items():
            dtype = self.dtype if spec.dtype == "float" else np.dtype(spec.dtype)
            blank = np.nan if dtype.kind == "f" else 255 if dtype.kind == "u" else -1
            blank = 0 if spec.lasting else blank
            run.scratch[name] = np.full(spec.shape, blank, dtype)

    def _share(self) -> None:
        """Give tops the bottom's memory where a net would."""
        run, alias = self.run, self.layer.alias
        if self.in_place:
            run.top[0] = run.bottom[0]
            run.bottom_diff[0] = run.top_diff[0]
        if alias is not Alias.NONE:
            run.top = [run.bottom[0].reshape(s) for s in self.top_shapes]
        if alias is Alias.BOTH:
            run.top_diff = [run.bottom_diff[0].reshape(s) for s in self.top_shapes]

    @property
    def top(self) -> list[np.ndarray]:
        return self.run.top

    @property
    def bottom_diff(self) -> list[np.ndarray | None]:
        return self.run.bottom_diff

    @property
    def param_diff(self) -> list[np.ndarray | None]:
        return self.run.param_diff

    def forward(self) -> list[np.ndarray]:
        """Run forward from the bottoms' first values; the tops."""
        for array, start in zip(self.run.bottom, self.start):
            array[...] = start
        self.layer.forward(self.ops, self.run)
        return self.run.top

    def backward(
        self, top_diff: Sequence[np.ndarray | float] | None = None
    ) -> list[np.ndarray | None]:
        """Run backward; *top_diff* by default normal draws. The bottoms' diffs."""
        if top_diff is None:
            top_diff = [self.rng.standard_normal(s) for s in self.top_shapes]
        for array, value in zip(self.run.top_diff, top_diff):
            array[...] = value
        for diff in self.run.param_diff:
            if diff is not None:
                diff[...] = 0
        self.layer.backward(self.ops, self.run)
        return self.run.bottom_diff


def check_layer(trial: Trial, tolerance: float = 1e-6, step: float = 1e-5) -> None:
    """Everything that holds for any layer with a gradient; *trial* in float64."""
    assert trial.dtype == np.float64
    check_forward(trial)
    check_gradients(trial, tolerance, step)
    check_param_diffs_add_up(trial)


def check_forward(trial: Trial) -> None:
    """Tops have the inferred shapes and no gaps; bottoms are left as they were."""
    trial.forward()
    assert tuple(t.shape for t in trial.top) == trial.top_shapes
    for top in trial.top:
        assert np.isfinite(top).all()
    kept = trial.run.bottom[1:] if trial.in_place else trial.run.bottom
    first = trial.start[1:] if trial.in_place else trial.start
    for array, start in zip(kept, first):
        np.testing.assert_array_equal(array, start)


def check_gradients(trial: Trial, tolerance: float = 1e-6, step: float = 1e-5) -> None:
    """Backward against central differences of a random weighting of the tops.

    Every element of small arrays, and two random directions of each array.  The error
    of a central difference is of the order step², 1e-10; rounding adds 1e-16 / step.
    """
    weights = [trial.rng.standard_normal(s) for s in trial.top_shapes]

    def objective() -> float:
        return float(sum((w * t).sum() for w, t in zip(weights, trial.forward())))

    objective()
    found = [_copy(d) for d in trial.backward(weights)]
    for i, diff in enumerate(found):
        if diff is not None:
            where = trial.start[i], diff, trial
            _check(objective, *where, tolerance, step, f"bottom {i}")
    objective()
    trial.backward(weights)
    for i, diff in enumerate([_copy(d) for d in trial.param_diff]):
        if diff is not None:
            where = trial.run.param[i], diff, trial
            _check(objective, *where, tolerance, step, f"param {i}")


def check_param_diffs_add_up(trial: Trial) -> None:
    """A second backward adds to the parameters' gradients."""
    if not trial.run.param:
        return
    weights = [trial.rng.standard_normal(s) for s in trial.top_shapes]
    trial.forward()
    trial.backward(weights)
    once = [_copy(d) for d in trial.param_diff]
    trial.forward()
    for array, value in zip(trial.run.top_diff, weights):
        array[...] = value
    trial.layer.backward(trial.ops, trial.run)
    for first, both in zip(once, trial.param_diff):
        if first is not None:
            np.testing.assert_allclose(both, 2 * first, rtol=1e-9, atol=1e-12)


def _copy(array: np.ndarray | None) -> np.ndarray | None:
    return None if array is None else array.copy()


def _check(  # type: ignore[no-untyped-def]
    objective, values, diff, trial, tolerance, step, name
) -> None:
    assert np.isfinite(diff).all(), f"gradient of {name} has gaps"
    for direction in _directions(trial.rng, values.shape):
        slope = _slope(objective, values, direction, step)
        expected = float((diff * direction).sum())
        scale = max(1.0, abs(expected), abs(slope))
        assert abs(slope - expected) <= tolerance * scale, (
            f"gradient of {name}: {expected:g}, by difference {slope:g}"
        )


def _directions(rng, shape):  # type: ignore[no-untyped-def]
    for _ in range(2):
        yield rng.standard_normal(shape)
    size = int(np.prod(shape))
    if size <= 60:
        for i in range(size):
            unit = np.zeros(size)
            unit[i] = 1
            yield unit.reshape(shape)


def _slope(objective, values, direction, step):  # type: ignore[no-untyped-def]
    middle = values.copy()
    values[...] = middle + step * direction
    above = objective()
    values[...] = middle - step * direction
    below = objective()
    values[...] = middle
    return (above - below) / (2 * step)
