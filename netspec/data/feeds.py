"""The feeds of a whole net: every data layer that it has in one phase."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from netspec.data.feed import Feed, Floats
from netspec.data.opening import OPENERS
from netspec.errors import NetspecError
from netspec.files import find
from netspec.proto import LayerParameter, NetParameter
from netspec.shapes import Shape
from netspec.spec import Located

_SOURCES = {
    "AnnotatedData": "data_param",
    "Data": "data_param",
    "ImageData": "image_data_param",
    "HDF5Data": "hdf5_data_param",
    "WindowData": "window_data_param",
}


class Feeds:
    """The data layers of a net, read together.

    Args:
        net: of one phase, as :func:`netspec.spec.filter_net` gives it; file names in it
            are looked up from the working folder, then from its file's.
        seed: of shuffling, crops and mirrors.

    Attributes:
        by_layer: the feeds, by layer name.

    Raises:
        SpecError, DataError: a source is missing, damaged or unfit; located.
    """

    def __init__(self, net: Located[NetParameter], seed: int) -> None:
        self.by_layer: Mapping[str, Feed] = {
            layer.name: _open(net, i, seed) for i, layer in data_layers(net)
        }

    @property
    def shapes(self) -> dict[str, tuple[Shape, ...]]:
        """Shapes of each data layer's tops for its whole batch, by layer name."""
        return {name: feed.shapes() for name, feed in self.by_layer.items()}

    @property
    def size(self) -> int | None:
        """Records of the first data layer; None where there is none."""
        return next((feed.size for feed in self.by_layer.values()), None)

    def describe(self, sample: int) -> str:
        """What a sample of the first data layer is called; "" where there is none."""
        first = next(iter(self.by_layer.values()), None)
        return first.describe(sample) if first else ""

    def read(self, first: int, count: int) -> dict[str, Floats]:
        """Samples *first* to *first + count - 1* of every top, by blob name."""
        rows: dict[str, Floats] = {}
        for feed in self.by_layer.values():
            rows.update(zip(feed.tops, feed.read(first, count)))
        return rows


def data_layers(net: Located[NetParameter]) -> Iterator[tuple[int, LayerParameter]]:
    """Position and message of each layer that a feed can fill."""
    layers = enumerate(net.message.layer)
    return ((i, layer) for i, layer in layers if layer.type in OPENERS)


def known_shapes(net: Located[NetParameter]) -> dict[str, tuple[Shape, ...]]:
    """Shapes of one batch of the data layers whose source exists, by layer name.

    Raises:
        SpecError, DataError: a source that exists is damaged or unfit.
    """
    return {
        layer.name: _open(net, i, seed=0).shapes()
        for i, layer in data_layers(net)
        if (source := source_of(layer, net.file)) and source.exists()
    }


def source_of(layer: LayerParameter, net_file: str) -> Path | None:
    """Where a data layer's source is, or should be; None: it is the program."""
    if layer.type not in _SOURCES:
        return None
    return find(getattr(layer, _SOURCES[layer.type]).source, beside=net_file)


def _open(net: Located[NetParameter], index: int, seed: int) -> Feed:
    layer = net.message.layer[index]
    root = root_of(layer, net.file)
    try:
        return Feed(layer, net.message.state.phase, seed=seed, root=root)
    except NetspecError as error:
        path = [int(p) if p.isdigit() else p for p in error.field.split(".") if p]
        raise error.at(net.place("layer", index, *path)) from None


def root_of(layer: LayerParameter, net_file: str) -> Path:
    """The folder from which a layer's source is found under its relative name."""
    found = source_of(layer, net_file)
    if found is None:
        return Path(".")
    written = Path(getattr(layer, _SOURCES[layer.type]).source)
    if written.is_absolute() or not written.parts:
        return Path(".")
    return Path(*found.parts[: -len(written.parts)])
