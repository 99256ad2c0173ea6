"""Convolution: y = w * x + b, over any number of spatial axes.

Caffe's Convolution: several bottoms of one shape share the parameters and give as
many tops; sizes round down; ``engine`` and ``force_nd_im2col`` chose between
implementations of one result, so they change nothing here.
"""

from __future__ import annotations

from typing import Any, ClassVar

from netspec.backends.base import ConvolutionGeometry
from netspec.errors import SpecError
from netspec.layers.base import (
    Array,
    Layer,
    ParamSpec,
    Run,
    Shapes,
    Stage,
    Window,
    at_least,
    epilogue,
    layer,
    same_shape,
)
from netspec.shapes import Shape, canonical_axis, count, describe, per_axis

PREFIX = "convolution_param"


@layer("Convolution")
class Convolution(Layer):
    """Slides filters over the spatial axes; the channels may be cut into groups."""

    bottoms: ClassVar = at_least(1)
    tops: ClassVar = at_least(1)
    repeats = True

    def setup(self) -> None:
        """Read convolution_param; what depends on the axes waits for the shapes."""
        self.message = self.proto.convolution_param
        self.filters: int = self.message.num_output
        self.group: int = self.message.group
        self._check_groups()

    def _check_groups(self) -> None:
        _positive("num_output", self.filters)
        _positive("group", self.group)
        if self.filters % self.group:
            raise SpecError(
                f"group {self.group} does not divide num_output {self.filters}.",
                f"Choose a divisor of {self.filters}, or change num_output.",
                field=f"{PREFIX}.group",
            )

    def check_arity(self, bottoms: int, tops: int) -> None:
        """As many tops as bottoms."""
        super().check_arity(bottoms, tops)
        if tops != bottoms:
            raise SpecError(
                f"has {bottoms} bottoms and {tops} tops.",
                "Give it one top for each bottom.",
                field="top",
            )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """Channels become num_output, each spatial size what the window leaves."""
        same_shape(bottom)
        shape, axis = bottom[0], self._axis(bottom[0])
        if shape[axis] % self.group:
            raise SpecError(
                f"group {self.group} does not divide the {shape[axis]} input channels"
                f"{self._of_bottom()}.",
                f"Choose a divisor of {shape[axis]}, or change the channels.",
                field=f"{PREFIX}.group",
            )
        return ((*shape[:axis], self.filters, *self._output(shape)),) * len(bottom)

    def _output(self, shape: Shape) -> Shape:
        geo = self.geometry((shape,))
        if any(n < 1 for n in geo.output):
            raise SpecError(
                f"kernel {describe(geo.kernel)} does not fit the "
                f"{describe(geo.input)} input{self._of_bottom()} "
                f"(pad {describe(geo.pad)}, dilation {describe(geo.dilation)}).",
                "Choose a smaller kernel or dilation, or more padding.",
                field=f"{PREFIX}.kernel_{'h' if self._two('kernel') else 'size'}",
            )
        return geo.output

    def geometry(self, bottom: Shapes) -> ConvolutionGeometry:
        """The arithmetic of one bottom; axes before the channels count as the batch."""
        shape, axis = bottom[0], self._axis(bottom[0])
        window = self._window(bottom)
        return ConvolutionGeometry(
            batch=count(shape, 0, axis),
            channels=shape[axis],
            filters=self.filters,
            input=shape[axis + 1 :],
            kernel=window.kernel,
            stride=window.stride,
            pad=window.pad,
            dilation=window.dilation,
            group=self.group,
        )

    def receptive(self, bottom: Shapes) -> Window:
        """The window, one entry a spatial axis."""
        return self._window(bottom)

    def _window(self, bottom: Shapes) -> Window:
        """The window that the message asks for; refuses contradictions in it."""
        axes = len(bottom[0]) - self._axis(bottom[0]) - 1
        kernel = self._spatial("kernel", axes, 0)
        stride = self._spatial("stride", axes, 1)
        dilation = per_axis(self.message.dilation, axes, 1, f"{PREFIX}.dilation")
        return Window(kernel, stride, self._spatial("pad", axes, 0), dilation)

    def _spatial(self, name: str, axes: int, default: int) -> Shape:
        """kernel, stride or pad for each axis, from either of their two spellings."""
        repeated = "kernel_size" if name == "kernel" else name
        if not self._two(name):
            given = getattr(self.message, repeated)
            values = per_axis(given, axes, default, f"{PREFIX}.{repeated}")
        else:
            self._refuse_both(name, repeated, axes)
            values = tuple(getattr(self.message, f"{name}_{side}") for side in "hw")
        if name != "pad" and 0 in values:
            _positive(f"{name}_h or {name}_w" if self._two(name) else repeated, 0)
        return values

    def _two(self, name: str) -> bool:
        return any(self.message.HasField(f"{name}_{side}") for side in "hw")

    def _refuse_both(self, name: str, repeated: str, axes: int) -> None:
        side = "h" if self.message.HasField(f"{name}_h") else "w"
        if axes != 2:
            raise SpecError(
                f"{name}_{side} is given for {axes} spatial axes.",
                f"{name}_h and {name}_w are for images: use {repeated}.",
                field=f"{PREFIX}.{name}_{side}",
            )
        if getattr(self.message, repeated):
            raise SpecError(
                f"{repeated} and {name}_{side} are both given.",
                f"Keep {repeated}, or {name}_h and {name}_w.",
                field=f"{PREFIX}.{name}_{side}",
            )

    def params(self, bottom: Shapes) -> tuple[ParamSpec, ...]:
        """Weights (num_output, channels / group, kernel...) and bias (num_output)."""
        geo = self.geometry(bottom)
        shape = (geo.filters, geo.channels // geo.group, *geo.kernel)
        weights = ParamSpec(shape, self.message.weight_filler)
        if not self.message.bias_term:
            return (weights,)
        return weights, ParamSpec((self.filters,), self.message.bias_filler)

    def adds_once(self, bottom: Shapes) -> bool:
        """Where one bottom is convolved."""
        return len(bottom) == 1

    def absorbs(self, stage: Stage, bottom: Shapes) -> bool:
        """Everything that is done channel by channel, or element by element, to the one
        top."""
        return len(bottom) == 1 and self._axis(bottom[0]) == 1

    def parts_top(self, ops: Any, bottom: Shapes, dtype: str) -> bool:
        """Where the backend can, of the one top."""
        is_one = len(bottom) == 1 and self._axis(bottom[0]) == 1
        return is_one and bool(ops.parts_convolution(self.geometry(bottom), dtype))

    def macs(self, bottom: Shapes, top: Shapes) -> int:
        """One for each weight that meets each output."""
        geo = self.geometry(bottom)
        outputs = geo.batch * geo.filters * count(geo.output)
        return len(bottom) * outputs * geo.taps

    def forward(self, ops: Any, run: Run) -> None:
        """Convolve every bottom."""
        geo: ConvolutionGeometry = run.geometry
        after = epilogue(ops, run)
        for bottom, top in zip(run.bottom, run.top, strict=True):
            x = inputs(bottom, geo)
            y = top if after and after.pool else outputs(top, geo)
            bias = self._bias(run.param)
            ops.convolution_forward(x, run.param[0], bias, y, geo, after)

    def backward(self, ops: Any, run: Run) -> None:
        """Gradients of every bottom; those of the parameters add up."""
        geo: ConvolutionGeometry = run.geometry
        arrays = zip(run.bottom, run.top_diff, run.bottom_diff, strict=True)
        for bottom, above, below in arrays:
            ops.convolution_backward(
                inputs(bottom, geo),
                run.param[0],
                outputs(above, geo),
                None if below is None else inputs(below, geo),
                run.param_diff[0],
                self._bias(run.param_diff),
                geo,
            )

    def _bias(self, blobs: list[Array | None]) -> Array | None:
        return blobs[1] if self.message.bias_term else None

    def _axis(self, shape: Shape) -> int:
        return canonical_axis(self.message.axis, len(shape), f"{PREFIX}.axis")

    def _of_bottom(self) -> str:
        return f" of bottom {self.proto.bottom[0]!r}" if self.proto.bottom else ""


def _positive(name: str, value: int) -> None:
    if value < 1:
        raise SpecError(
            f"{name} is missing or 0.",
            "It must be at least 1.",
            field=f"{PREFIX}.{name.split()[0]}",
        )


def inputs(blob: Array, geo: ConvolutionGeometry) -> Array:
    """A bottom as (N, C, in...)."""
    return blob.reshape(geo.batch, geo.channels, *geo.input)


def outputs(blob: Array, geo: ConvolutionGeometry) -> Array:
    """A top as (N, K, out...)."""
    return blob.reshape(geo.batch, geo.filters, *geo.output)
