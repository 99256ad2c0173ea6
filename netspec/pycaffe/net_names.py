"""The names and numbers of a net's layers and blobs: what every net can be asked."""

from __future__ import annotations

from netspec.net import Net as CoreNet
from netspec.pycaffe.blob import Blob
from netspec.pycaffe.structure import LayerView, Named, Structure, loss_weights


class NetNames:
    """The part of :class:`~netspec.pycaffe.Net` that only tells.

    Attributes:
        blobs: every blob by name.
    """

    blobs: Named[Blob]
    _core: CoreNet
    _structure: Structure

    @property
    def inputs(self) -> list[str]:
        """Tops of Input layers, which a program fills."""
        return list(self._core.graph.inputs)

    @property
    def outputs(self) -> list[str]:
        """Blobs that no layer reads."""
        return list(self._core.graph.outputs)

    @property
    def params(self) -> Named[list[Blob]]:
        """Parameters of each layer that has any, by layer name."""
        return self._structure.params

    @property
    def layers(self) -> list[LayerView]:
        """Every layer, with its type and blobs; Splits are among them."""
        return list(self._structure.layers)

    @property
    def layer_dict(self) -> Named[LayerView]:
        """The layers by name."""
        return Named.of("layer", zip(self._layer_names, self._structure.layers))

    @property
    def top_names(self) -> Named[list[str]]:
        """Names of each layer's tops."""
        return self._structure.tops()

    @property
    def bottom_names(self) -> Named[list[str]]:
        """Names of each layer's bottoms."""
        return self._structure.bottoms()

    @property
    def blob_loss_weights(self) -> Named[float]:
        """The weight of every blob in the net's loss."""
        return loss_weights(self._core.graph)

    @property
    def batch_size(self) -> int:
        """First axis of the first blob."""
        return next(iter(self.blobs.values())).shape[0]

    @property
    def _layer_names(self) -> list[str]:
        return list(self._structure.layer_names)

    @property
    def _blob_names(self) -> list[str]:
        return list(self._structure.blob_names)

    @property
    def _blobs(self) -> list[Blob]:
        return list(self.blobs.values())

    @property
    def _blob_loss_weights(self) -> list[float]:
        return list(self.blob_loss_weights.values())

    @property
    def _inputs(self) -> list[int]:
        return [self._structure.blob(name) for name in self.inputs]

    @property
    def _outputs(self) -> list[int]:
        return [self._structure.blob(name) for name in self.outputs]

    def _top_ids(self, layer: int) -> list[int]:
        return [self._structure.blob(n) for n in self._core.graph.nodes[layer].tops]

    def _bottom_ids(self, layer: int) -> list[int]:
        return [self._structure.blob(n) for n in self._core.graph.nodes[layer].bottoms]
