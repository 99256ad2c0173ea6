"""Layer by layer from a plain net to a fully convolutional one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from netspec.errors import SpecError
from netspec.graph import Graph
from netspec.proto import LayerParameter, NetParameter
from netspec.shapes import Shape, canonical_axis, count, describe
from netspec.spec import Located

# What treats every element alike, whatever the axes.
_ELEMENTWISE = (
    "AbsVal", "BNLL", "Clip", "Dropout", "ELU", "Eltwise", "Exp", "Log", "Power",
    "ReLU", "ReLU6", "Sigmoid", "Silence", "Swish", "TanH", "Threshold",
)  # fmt: skip
# What treats every element of a channel (axis 1) alike, unless told otherwise.
_CHANNELWISE = (
    "Accuracy", "BatchNorm", "Bias", "Concat", "PReLU", "Scale", "Slice", "Softmax",
    "SoftmaxWithLoss",
)  # fmt: skip


@dataclass(frozen=True)
class Kernel:
    """The filters of a convolution that was an InnerProduct.

    Attributes:
        shape: (num_output, C, H, W).
        transpose: the InnerProduct kept its weights as (C·H·W, num_output).
    """

    shape: Shape
    transpose: bool

    def filters(self, weights: NDArray[np.generic]) -> NDArray[np.generic]:
        """The InnerProduct's weights as filters: a view, unless they were transposed.

        Weights of another count are handed back as they are, for whoever loads them
        to refuse.
        """
        if weights.size != count(self.shape):
            return weights
        if self.transpose:
            weights = weights.reshape(-1, self.shape[0]).T
        return weights.reshape(self.shape)


@dataclass
class Surgery:
    """Walks down the net.

    Attributes:
        folded: for each blob whose axes behind the batch are one vector, the C × H × W
            that it was or will be.
        names: new names of blobs, where a flattening layer is gone.
    """

    net: Located[NetParameter]
    graph: Graph
    layers: list[tuple[int, LayerParameter]] = field(default_factory=list)
    kernels: dict[str, Kernel] = field(default_factory=dict)
    folded: dict[str, Shape] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def add(self, index: int, layer: LayerParameter) -> None:
        """Add one layer in its new form."""
        vectors = [b for b in layer.bottom if b in self.folded]
        if layer.type == "InnerProduct":
            self._connect(index, layer)
        elif self._flattens(layer):
            self._unfold(layer)
        else:
            if vectors:
                self._check_alike(index, layer, vectors)
                self.folded.update(self._folded_tops(layer))
            self._keep(index, layer)

    def _keep(self, index: int, layer: LayerParameter) -> None:
        copy = LayerParameter()
        copy.CopyFrom(layer)
        copy.bottom[:] = [self.names.get(b, b) for b in layer.bottom]
        in_place = {b: self.names[b] for b in layer.bottom if b in self.names}
        copy.top[:] = [in_place.get(t, t) for t in layer.top]
        self.layers.append((index, copy))

    def _flattens(self, layer: LayerParameter) -> bool:
        """Whether the layer makes one vector a picture, and nothing else."""
        if layer.type not in ("Flatten", "Reshape"):
            return False
        shape = self._shape(layer.bottom[0])
        vector = (shape[0], count(shape, 1))
        return self._shape(layer.top[0])[:2] == vector

    def _unfold(self, layer: LayerParameter) -> None:
        bottom, top = layer.bottom[0], layer.top[0]
        self.folded[top] = self._picture(bottom)
        self.names[top] = self.names.get(bottom, bottom)

    def _picture(self, blob: str) -> Shape:
        """C × H × W of a blob, whether it has those axes or was folded."""
        shape = self._shape(blob)
        return self.folded.get(blob, shape[1:])

    def _shape(self, blob: str) -> Shape:
        return self.graph.blobs[blob]

    def _connect(self, index: int, layer: LayerParameter) -> None:
        param, picture = layer.inner_product_param, self._picture(layer.bottom[0])
        axes = len(self._shape(layer.bottom[0]))
        axis = canonical_axis(param.axis, axes)
        if axis != 1 or len(picture) != 3:
            raise self._refuse(
                index,
                f"sums from axis {axis} on over a bottom of "
                f"{describe(self._shape(layer.bottom[0]))}.",
                "Only an InnerProduct over whole pictures (C x H x W) becomes a "
                "convolution.",
            )
        shape = (param.num_output, *picture)
        self.kernels[layer.name] = Kernel(shape, param.transpose)
        self._keep(index, _convolution(layer, picture[1:]))
        self.folded[layer.top[0]] = (param.num_output, 1, 1)

    def _check_alike(
        self, index: int, layer: LayerParameter, vectors: Sequence[str]
    ) -> None:
        if layer.type in _ELEMENTWISE:
            return
        spread = [b for b in vectors if self.folded[b][1:] != (1, 1)]
        if layer.type in _CHANNELWISE and not spread and _axis(layer) in (1, None):
            return
        raise self._refuse(
            index,
            f"reads {vectors[0]!r}, a vector, which in a larger picture is one at "
            "every place.",
            "Behind fully connected layers there may be layers that treat all "
            "channels or elements alike.",
        )

    def _folded_tops(self, layer: LayerParameter) -> dict[str, Shape]:
        """The tops of a layer that treats places alike: vectors like its bottom."""
        places = self.folded[next(b for b in layer.bottom if b in self.folded)][1:]
        shapes = {t: self._shape(t) for t in layer.top}
        return {
            t: (shape[1] // count(places), *places)
            for t, shape in shapes.items()
            if len(shape) == 2
        }

    def _refuse(self, index: int, problem: str, remedy: str) -> SpecError:
        layer = self.net.message.layer[index]
        return SpecError(
            f"cannot become fully convolutional: {problem}",
            remedy,
            place=self.net.place("layer", index),
            layer=(layer.name, layer.type),
        )


def _convolution(layer: LayerParameter, kernel: Shape) -> LayerParameter:
    """An InnerProduct as a convolution with an H × W kernel."""
    made = LayerParameter()
    made.CopyFrom(layer)
    made.type = "Convolution"
    made.ClearField("inner_product_param")
    old, new = layer.inner_product_param, made.convolution_param
    new.num_output = old.num_output
    if not old.bias_term:
        new.bias_term = False
    new.kernel_size.extend(kernel if kernel[0] != kernel[1] else kernel[:1])
    for name in ("weight_filler", "bias_filler"):
        if old.HasField(name):
            getattr(new, name).CopyFrom(getattr(old, name))
    return made


_AXES: dict[str, Callable[[LayerParameter], int]] = {
    "Accuracy": lambda layer: layer.accuracy_param.axis,
    "Bias": lambda layer: layer.bias_param.axis,
    "Concat": lambda layer: layer.concat_param.axis,
    "Scale": lambda layer: layer.scale_param.axis,
    "Slice": lambda layer: layer.slice_param.axis,
    "Softmax": lambda layer: layer.softmax_param.axis,
    "SoftmaxWithLoss": lambda layer: layer.softmax_param.axis,
}


def _axis(layer: LayerParameter) -> int | None:
    """The axis that a layer is told; None where it has no such setting."""
    read = _AXES.get(layer.type)
    return read(layer) if read else None
