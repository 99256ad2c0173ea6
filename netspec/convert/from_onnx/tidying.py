"""What makes an imported net look as if it had been written for Caffe."""

from __future__ import annotations

from collections import Counter

from netspec.proto import NetParameter

# Layers that Caffe's own nets let work in place.
_IN_PLACE = frozenset({
    "BatchNorm", "Bias", "Dropout", "ELU", "PReLU", "ReLU", "Scale", "Sigmoid", "TanH",
})  # fmt: skip


def absorb_flattening(net: NetParameter, outputs: list[str]) -> None:
    """Leave out a Flatten that only an InnerProduct reads: it flattens by itself."""
    flats = {f.top[0]: f for f in net.layer if f.type == "Flatten"}
    readers = Counter(b for layer in net.layer for b in layer.bottom)
    for layer in list(net.layer):
        flat = flats.get(layer.bottom[0]) if layer.bottom else None
        axis = layer.inner_product_param.axis
        if flat is None or layer.type != "InnerProduct" or axis != 1:
            continue
        plain = not flat.flatten_param.ListFields()
        if plain and readers[flat.top[0]] == 1 and flat.top[0] not in outputs:
            layer.bottom[0] = flat.bottom[0]
            net.layer.remove(flat)


def work_in_place(net: NetParameter, outputs: list[str]) -> None:
    """Let layers that may work in place do so, as Caffe's own nets do."""
    inputs = {t for layer in net.layer if layer.type == "Input" for t in layer.top}
    for layer in net.layer:
        if len(layer.bottom) != 1 or len(layer.top) != 1:
            continue
        old, new = layer.bottom[0], layer.top[0]
        readers = sum(list(other.bottom).count(old) for other in net.layer)
        makers = sum(old in other.top for other in net.layer)
        fit = layer.type in _IN_PLACE and old not in inputs
        if fit and readers == 1 and makers == 1 and old not in outputs:
            _rename(net, old, new)


def friendly_names(net: NetParameter) -> dict[str, str]:
    """Name blobs that an exporter has numbered after the layers that make them.

    Returns:
        The old name of every blob renamed.
    """
    taken = {name for layer in net.layer for name in layer.top}
    found: dict[str, str] = {}
    for layer in net.layer:
        for top in layer.top:
            numbered = top.startswith("/") or top.isdecimal()
            if numbered and layer.name not in taken and len(layer.top) == 1:
                found[layer.name] = top
                taken.add(layer.name)
                _rename(net, top, layer.name)
    return found


def _rename(net: NetParameter, old: str, new: str) -> None:
    for layer in net.layer:
        for names in (layer.bottom, layer.top):
            if old in names:
                names[:] = [new if n == old else n for n in names]


def without_empty_settings(net: NetParameter) -> NetParameter:
    """The net without settings that say nothing."""
    for layer in net.layer:
        for field, value in layer.ListFields():
            single = field.message_type is not None and field.has_presence
            if single and not value.ListFields():
                layer.ClearField(field.name)
    return net
