"""SPP: pooling into 1, 4, 16 ... parts, whatever the size of the image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Layer, Run, Scratch, Shapes, layer
from netspec.layers.pooling import Pooling
from netspec.proto import TEST, TRAIN, LayerParameter, PoolingParameter, SPPParameter
from netspec.shapes import Shape, count, describe

PREFIX = "spp_param"
METHODS = {
    SPPParameter.MAX: PoolingParameter.MAX,
    SPPParameter.AVE: PoolingParameter.AVE,
    SPPParameter.STOCHASTIC: PoolingParameter.STOCHASTIC,
}


@dataclass(frozen=True)
class Level:
    """One level of the pyramid.

    Attributes:
        shape: of what it pools, (N, C, h, w).
        start: the first of its values in a row of the top.
    """

    pooling: Pooling
    geometry: Any
    shape: Shape
    start: int


@layer("SPP")
class SPP(Layer):
    """Caffe's SPP (He et al. 2014): level i pools an image into 2^i x 2^i parts, and
    the levels are flattened and joined.  A single level is not flattened.
    """

    def setup(self) -> None:
        """Read spp_param."""
        self.message = self.proto.spp_param
        stochastic = self.message.pool == SPPParameter.STOCHASTIC
        self.backward_reads_bottom = self.backward_reads_top = stochastic
        self._phase = TRAIN if self.training else TEST
        self.height: int = self.message.pyramid_height
        if self.height < 1:
            raise SpecError(
                "pyramid_height is missing or 0.",
                "It must be at least 1.",
                field=f"{PREFIX}.pyramid_height",
            )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """(N, values of all levels), or (N, C, 1, 1) for a single one."""
        levels = self.geometry(bottom)
        if len(levels) == 1:
            return (levels[0].shape,)
        return ((bottom[0][0], levels[-1].start + count(levels[-1].shape, 1)),)

    def geometry(self, bottom: Shapes) -> tuple[Level, ...]:
        """The levels.

        Raises:
            SpecError: the bottom has not four axes, or is too small for a level.
        """
        if len(bottom[0]) != 4:
            raise SpecError(
                f"bottom has shape {describe(bottom[0])}.",
                "SPP takes four axes: N x C x H x W.",
                field="bottom",
            )
        levels: list[Level] = []
        start = 0
        for i in range(self.height):
            levels.append(self._level(i, start, bottom))
            start += count(levels[-1].shape, 1)
        return tuple(levels)

    def _level(self, index: int, start: int, bottom: Shapes) -> Level:
        pooling = Pooling(self._pooling(index, bottom[0]), self._phase)
        shape = pooling.infer_shapes(bottom)[0]
        return Level(pooling, pooling.geometry(bottom), shape, start)

    def _pooling(self, index: int, shape: Shape) -> LayerParameter:
        """The Pooling layer of a level: windows side by side, what is over padded."""
        parts = 2**index
        proto = LayerParameter(name=self.name, type="Pooling", top=["pooled"])
        param = proto.pooling_param
        param.pool = METHODS[self.message.pool]
        for size, axis in zip(shape[2:], "hw"):
            kernel = -(-size // parts)
            pad = (kernel * parts - size + 1) // 2
            if pad >= kernel:
                raise SpecError(
                    f"level {index} cannot cut a bottom of {describe(shape)} into "
                    f"{parts} x {parts} parts.",
                    "Choose a smaller pyramid_height, or a larger image.",
                    field=f"{PREFIX}.pyramid_height",
                )
            setattr(param, f"kernel_{axis}", kernel)
            setattr(param, f"stride_{axis}", kernel)
            setattr(param, f"pad_{axis}", pad)
        return proto

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """What each level keeps, and where there are several, what each pools."""
        levels = self.geometry(bottom)
        kept = {
            f"{i}/{name}": spec
            for i, level in enumerate(levels)
            for name, spec in level.pooling.scratch(bottom, False).items()
        }
        if len(levels) > 1:
            kept["dx"] = Scratch(bottom[0], training=True)
            for i, level in enumerate(levels):
                kept[f"{i}:y"] = Scratch(level.shape)
                kept[f"{i}:dy"] = Scratch(level.shape, training=True)
        return kept

    def forward(self, ops: Any, run: Run) -> None:
        """Pool each level into its place."""
        levels: tuple[Level, ...] = run.geometry
        for i, level in enumerate(levels):
            part = self._part(run, i)
            level.pooling.forward(ops, part)
            if len(levels) > 1:
                ops.write_block(part.top[0], run.top[0], level.shape[0], level.start)

    def backward(self, ops: Any, run: Run) -> None:
        """The levels' gradients add up."""
        levels: tuple[Level, ...] = run.geometry
        dx = run.bottom_diff[0]
        for i, level in enumerate(levels):
            part = self._part(run, i)
            if len(levels) > 1:
                place = (level.shape[0], level.start)
                ops.read_block(run.top_diff[0], part.top_diff[0], *place)
            level.pooling.backward(ops, part)
            if i:
                ops.add(dx, part.bottom_diff[0], dx)

    def _part(self, run: Run, index: int) -> Run:
        """The run of one level's pooling."""
        held, prefix = run.scratch, f"{index}/"
        single = len(run.geometry) == 1
        return Run(
            bottom=run.bottom,
            top=run.top if single else [held[f"{index}:y"]],
            bottom_diff=[held["dx"]] if index and "dx" in held else run.bottom_diff,
            top_diff=run.top_diff if single else [held.get(f"{index}:dy")],
            scratch={
                k[len(prefix) :]: v for k, v in held.items() if k.startswith(prefix)
            },
            geometry=run.geometry[index].geometry,
            key=replace(run.key, purpose=f"{run.key.purpose}/{index}"),
            first_sample=run.first_sample,
        )
