"""Pooling: the maximum, the average or a random value of sliding windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.backends.base import Epilogue, PoolingGeometry
from netspec.errors import SpecError
from netspec.layers.base import (
    Layer,
    Run,
    Scratch,
    Shapes,
    Stage,
    Window,
    between,
    layer,
)
from netspec.proto import PoolingParameter
from netspec.shapes import Shape, describe, pooling_size

PREFIX = "pooling_param"

# Places of a window that a byte can number, with one number left for "none".
BYTE_PLACES = 255


@layer("Pooling")
class Pooling(Layer):
    """Caffe's Pooling: rounds up unless told, then drops a last window in the padding.

    MAX may have a second top: where each maximum lies in its H × W plane, as a number.
    STOCHASTIC draws, in TRAIN, one value of a window with the chance of its share in
    the sum, and in TEST gives what that is on average; none may be negative.
    """

    tops = between(1, 2)
    backward_reads_bottom = False
    repeats = True

    def setup(self) -> None:
        """Read pooling_param."""
        self.message = self.proto.pooling_param
        self.is_maximum = self.message.pool == PoolingParameter.MAX
        self.is_stochastic = self.message.pool == PoolingParameter.STOCHASTIC
        self.is_global: bool = self.message.global_pooling
        self.stride = self._pair("stride", "stride", 1)
        self.pad = self._pair("pad", "pad", 0)
        if self.is_global:
            self._check_global()
        else:
            self.kernel = self._pair("kernel", "kernel_size", 0)
            self._check_window()
        self.draws = self.is_stochastic and self.training
        self.repeats = self.repeats and not self.draws
        self.backward_reads_bottom = self.backward_reads_top = (
            self.is_stochastic and not self.training
        )

    def _pair(self, stem: str, both: str, default: int) -> Shape:
        """A setting for (H, W): given once for both, or for each."""
        one_by_one = (f"{stem}_h", f"{stem}_w")
        has_both = self.message.HasField(both)
        found = [name for name in one_by_one if self.message.HasField(name)]
        if len(found) == 1 or (found and has_both):
            given = [both] * has_both + found
            verb = "is" if len(given) == 1 else "are"
            raise SpecError(
                f"{' and '.join(given)} {verb} given.",
                f"Give either {both}, or both {stem}_h and {stem}_w.",
                field=f"{PREFIX}.{found[0]}",
            )
        if found:
            return tuple(getattr(self.message, name) for name in one_by_one)
        return (getattr(self.message, both) if has_both else default,) * 2

    def _check_global(self) -> None:
        for name in ("kernel_size", "kernel_h", "kernel_w"):
            if self.message.HasField(name):
                raise SpecError(
                    f"global_pooling takes the whole image, and {name} is given too.",
                    f"Leave out {name} or global_pooling.",
                    field=f"{PREFIX}.{name}",
                )
        for name, found, only in (("stride", self.stride, 1), ("pad", self.pad, 0)):
            if found != (only, only):
                raise SpecError(
                    f"global_pooling with {name} {describe(found)}.",
                    f"global_pooling allows {name} {only} only.",
                    field=f"{PREFIX}.{name}",
                )

    def _check_window(self) -> None:
        if self.kernel == (0, 0):
            raise SpecError(
                "no kernel size is given.",
                "Give kernel_size, or kernel_h and kernel_w, or global_pooling.",
                field=PREFIX,
            )
        for name, found in (("kernel_size", self.kernel), ("stride", self.stride)):
            if 0 in found:
                raise SpecError(
                    f"{name} is {describe(found)}.",
                    "It must be at least 1.",
                    field=f"{PREFIX}.{name}",
                )
        if any(p >= k for p, k in zip(self.pad, self.kernel)):
            raise SpecError(
                f"pad {describe(self.pad)} is not smaller than the kernel, "
                f"{describe(self.kernel)}.",
                "A window must not lie in the padding alone: choose a smaller pad.",
                field=f"{PREFIX}.pad",
            )
        if self.is_stochastic and any(self.pad):
            raise SpecError(
                f"pad {describe(self.pad)} with pool STOCHASTIC.",
                "Only MAX and AVE pooling pad.",
                field=f"{PREFIX}.pad",
            )

    def check_arity(self, bottoms: int, tops: int) -> None:
        """Only MAX has a second top."""
        super().check_arity(bottoms, tops)
        if tops > 1 and not self.is_maximum:
            raise SpecError(
                f"has {tops} tops, and pool is not MAX.",
                "Only MAX pooling has a second top, the mask.",
                field="top.1",
            )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """(N, C, OH, OW), for the mask as well."""
        g = self.geometry(bottom)
        return ((g.batch, g.channels, *g.output),) * len(self.proto.top)

    def geometry(self, bottom: Shapes) -> PoolingGeometry:
        """The window over this bottom.

        Raises:
            SpecError: the bottom has not four axes, or no window fits.
        """
        if len(bottom[0]) != 4:
            raise SpecError(
                f"bottom has shape {describe(bottom[0])}.",
                "Pooling takes four axes: N x C x H x W.",
                field="bottom",
            )
        batch, channels, *image = bottom[0]
        kernel = tuple(image) if self.is_global else self.kernel
        output = self._output(tuple(image), kernel)
        return PoolingGeometry(
            batch, channels, tuple(image), output, kernel, self.stride, self.pad
        )

    def _output(self, image: Shape, kernel: Shape) -> Shape:
        up = self.message.round_mode == PoolingParameter.CEIL
        padded = any(self.pad)
        axes = zip(image, kernel, self.stride, self.pad)
        output = tuple(pooling_size(*axis, ceil=up, padded=padded) for axis in axes)
        if min(output) < 1:
            raise SpecError(
                f"kernel {describe(kernel)} does not fit the bottom, "
                f"{describe(image)} with pad {describe(self.pad)}.",
                "Choose a smaller kernel, or global_pooling.",
                field=PREFIX,
            )
        return output

    def receptive(self, bottom: Shapes) -> Window:
        """The pooling window."""
        kernel = self.geometry(bottom).kernel
        return Window(kernel, self.stride, self.pad, (1, 1))

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """The place within its window of each maximum, or of each value drawn."""
        if not (self.is_maximum or self.draws):
            return {}
        (shape, *mask), kernel = self.infer_shapes(bottom), self.geometry(bottom).kernel
        dtype = "uint8" if kernel[0] * kernel[1] <= BYTE_PLACES else "int32"
        return {"index": Scratch(shape, dtype, training=not (mask or self.draws))}

    def stage(self, bottom: Shapes) -> Stage | None:
        """A maximum that nobody asks the place of."""
        plain = self.is_maximum and len(self.proto.top) == 1
        return Stage.POOL if plain else None

    def join(self, ops: Any, run: Run, after: Epilogue) -> None:
        """Pool, and keep the places where backward needs them."""
        after.pool, after.places = True, run.scratch.get("index")

    def forward(self, ops: Any, run: Run) -> None:
        """Pool, and write the mask where it is wanted."""
        if self.is_stochastic:
            self._forward_stochastic(ops, run)
            return
        if not self.is_maximum:
            ops.average_pool(run.bottom[0], run.top[0], run.geometry)
            return
        index = run.scratch.get("index")
        ops.max_pool(run.bottom[0], run.top[0], index, run.geometry)
        for mask in run.top[1:]:
            ops.max_pool_mask(index, mask, run.geometry)

    def _forward_stochastic(self, ops: Any, run: Run) -> None:
        x, y = run.bottom[0], run.top[0]
        if self.draws:
            index = run.scratch["index"]
            ops.stochastic_pool(x, y, index, run.geometry, run.key, run.first_sample)
        else:
            ops.expected_pool(x, y, run.geometry)

    def backward(self, ops: Any, run: Run) -> None:
        """The mask has no gradient."""
        dy, dx = run.top_diff[0], run.bottom_diff[0]
        if dx is None:
            return
        if self.is_maximum or self.draws:
            ops.max_pool_backward(dy, run.scratch["index"], dx, run.geometry)
        elif self.is_stochastic:
            x, y = run.bottom[0], run.top[0]
            ops.expected_pool_backward(x, y, dy, dx, run.geometry)
        else:
            ops.average_pool_backward(dy, dx, run.geometry)
