"""A net with other layers that still knows where each was written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netspec.proto import LayerParameter, NetParameter
from netspec.spec.locate import Located, Places, Spot


def with_layers(
    net: Located[NetParameter], layers: Sequence[tuple[int, LayerParameter]]
) -> Located[NetParameter]:
    """A net of other layers, each with the number of the one whose place it has."""
    message, old = NetParameter(), net.places.root
    message.CopyFrom(net.message)
    del message.layer[:]
    message.layer.extend(layer for _, layer in layers)
    spots = old.fields.get("layer", [])
    root = Spot(old.offset)
    root.fields = dict(old.fields)
    root.fields["layer"] = [spots[i] for i, _ in layers if i < len(spots)]
    return replace(net, message=message, places=Places(net.file, net.places.text, root))
