"""What a weights file holds, whatever its format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from netspec.spec.blobproto import StoredBlob


@dataclass(frozen=True)
class LayerWeights:
    """The blobs of one layer of a file.

    Attributes:
        type: layer type in today's spelling; "" where the format keeps none (HDF5).
        blobs: one entry for each blob; None stands for one that the file leaves out
            because another layer shares and stores it.
        sparse: the format leaves such blobs out (HDF5), at the end of the list too.
    """

    name: str
    type: str
    blobs: tuple[StoredBlob | None, ...]
    sparse: bool = False

    @property
    def stored(self) -> list[StoredBlob]:
        """The blobs that the file does hold."""
        return [blob for blob in self.blobs if blob]


class Weights(Mapping[str, list[np.ndarray]]):
    """Arrays by layer name, in the order of the file, those left out not counted.

    Layers without blobs are listed too, with an empty list.  Where a file has two
    layers of one name, the later one counts, as in Caffe, unless it has no blobs.

    Attributes:
        layers: the same with types and the form in which shapes were given.
        file: the path it was read from, or "".
        net_bytes: the file's NetParameter without its blobs, serialized, in the
            file's own spelling (V0, V1 or current); None where the format has none.
    """

    def __init__(
        self,
        layers: Iterable[LayerWeights],
        file: str = "",
        net_bytes: bytes | None = None,
    ) -> None:
        self.layers: dict[str, LayerWeights] = {}
        for layer in layers:
            if layer.blobs or layer.name not in self.layers:
                self.layers[layer.name] = layer
        self.file = file
        self.net_bytes = net_bytes

    def __getitem__(self, name: str) -> list[np.ndarray]:
        return [blob.array for blob in self.layers[name].stored]

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __repr__(self) -> str:
        blobs = sum(len(layer.blobs) for layer in self.layers.values())
        return (
            f"<Weights {self.file or 'in memory'}: {len(self)} layers, {blobs} blobs>"
        )

    @classmethod
    def of_arrays(
        cls, arrays: Mapping[str, Iterable[np.ndarray]], file: str = ""
    ) -> Weights:
        """Weights from plain arrays, without layer types."""
        return cls(
            (
                LayerWeights(name, "", tuple(StoredBlob(array) for array in blobs))
                for name, blobs in arrays.items()
            ),
            file,
        )
