"""A net as lint sees it: one phase's layers, who makes and who reads each blob."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from netspec.errors import Place
from netspec.proto import TRAIN, LayerParameter, NetParameter
from netspec.spec.locate import Located
from netspec.spec.rules import filter_net

# Types with weights that training changes.
LEARNED = {
    "BN",
    "Bias",
    "Convolution",
    "ConvolutionDepthwise",
    "Deconvolution",
    "DepthwiseConvolution",
    "Embed",
    "InnerProduct",
    "LSTM",
    "Normalize",
    "PReLU",
    "Parameter",
    "RNN",
    "Scale",
}


@dataclass(frozen=True)
class Finding:
    """One thing seen: a predicate, its place and the layer that is its subject."""

    text: str
    place: Place
    layer: str = ""


@dataclass
class View:
    """The layers of one phase and their connections.

    Attributes:
        net: the filtered net.
        phase: TRAIN, TEST, or -1 for all layers whatever their rules.
        layers: the layers, in order.
        sources: for each layer and bottom, the layer that made it; -1: none.
        readers: for each layer and top, the layers that read it.
    """

    net: Located[NetParameter]
    phase: int
    layers: list[LayerParameter] = field(init=False)
    sources: list[list[int]] = field(default_factory=list)
    readers: list[list[list[int]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.layers = list(self.net.message.layer)

    @classmethod
    def of(cls, net: Located[NetParameter], phase: int) -> View:
        """The view of one phase, at the net's own level and stages."""
        view = cls(filter_net(net, phase, net.message.state.level), phase)
        view._connect()
        return view

    @classmethod
    def unfiltered(cls, net: Located[NetParameter]) -> View:
        """All layers, without connections: for checks of fields alone."""
        return cls(net, -1)

    def _connect(self) -> None:
        makers: dict[str, tuple[int, int]] = {}
        for i, layer in enumerate(self.layers):
            read = [makers.get(bottom, (-1, 0)) for bottom in layer.bottom]
            for maker, top in read:
                if maker >= 0:
                    self.readers[maker][top].append(i)
            self.sources.append([maker for maker, _ in read])
            self.readers.append([[] for _ in layer.top])
            makers |= {top: (i, t) for t, top in enumerate(layer.top)}

    @property
    def trains(self) -> bool:
        """Whether this is the training net of something that is trained."""
        return self.phase == TRAIN and any(map(is_loss, self.layers))

    def finding(self, text: str, index: int, *path: str | int) -> Finding:
        """A finding about a layer, at a field of it."""
        place = self.net.place("layer", index, *path)
        return Finding(text, place, self.layers[index].name)

    def of_type(self, *types: str) -> Iterator[tuple[int, LayerParameter]]:
        """Index and message of the layers of some types."""
        for i, layer in enumerate(self.layers):
            if layer.type in types:
                yield i, layer


_SCALE_INSIDE = (
    *("scale_filler", "bias_filler"),  # NVIDIA's fork
    *("use_weight_bias", "bias_term", "filler"),  # Intel's
)


def scales_itself(layer: LayerParameter) -> bool:
    """Whether a BatchNorm learns scale and bias, as in NVIDIA's and Intel's forks."""
    message = layer.batch_norm_param
    if message.HasField("use_weight_bias"):
        return bool(message.use_weight_bias)
    return message.scale_bias or any(map(message.HasField, _SCALE_INSIDE))


def is_loss(layer: LayerParameter) -> bool:
    """Whether a layer adds to the objective."""
    if layer.loss_weight:
        return any(layer.loss_weight)
    return layer.type.endswith("Loss")
