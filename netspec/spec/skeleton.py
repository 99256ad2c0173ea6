"""A binary net without its weights: what a caffemodel says of its layers.

The weights are nearly all of such a file; they are stepped over, not read.
"""

from __future__ import annotations

from netspec.spec.wire import LENGTH, Message, encode_field

# Message: the field that holds blobs, and the fields with layers inside.
_NET, _LAYER, _V1, _V0 = "net", "layer", "old layer", "oldest layer"
_BLOBS = {_NET: 0, _LAYER: 7, _V1: 6, _V0: 50}
_INSIDE = {_NET: {100: _LAYER, 2: _V1}, _LAYER: {}, _V1: {1: _V0}, _V0: {}}


def without_blobs(net: Message) -> bytes:
    """The bytes of a NetParameter, any layer's blobs left out.

    Raises:
        DataError: the buffer is no whole message.
    """
    return _stripped(net, _NET)


def _stripped(message: Message, kind: str) -> bytes:
    parts = []
    for field in message.fields():
        inner = _INSIDE[kind].get(field.number) if field.wire == LENGTH else None
        if inner:
            payload = _stripped(message.inside(field, inner), inner)
            parts.append(encode_field(field.number, payload))
        elif field.number != _BLOBS[kind]:
            parts.append(bytes(message.buffer[field.tag : field.stop]))
    return b"".join(parts)
