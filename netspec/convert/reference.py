"""netspec's own run of a model: what every conversion is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.convert.model import Model
from netspec.net import Net

Array = Any


class Reference:
    """A model's net with every blob kept."""

    def __init__(self, model: Model, device: str = "cpu") -> None:
        self._model = model
        self._net = Net(model.net, phase="test", device=device)
        for blob, values in zip(self._net.param_blobs, model.params):
            blob.data[...] = values.reshape(blob.shape)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every blob of the net, by name; views that the next run overwrites."""
        shapes = {name: tuple(array.shape) for name, array in inputs.items()}
        if any(self._net.blobs[n].shape != shape for n, shape in shapes.items()):
            self._net.reshape(**shapes)
        for name, array in inputs.items():
            self._net.feed(name, array)
        self._net.forward_pass()
        return {
            name: blob.data
            for name, blob in self._net.blobs.items()
            if name not in self._model.copies
        }
