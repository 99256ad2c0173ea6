"""V1 nets, the format of 2014: ``layers { type: CONVOLUTION blobs_lr: 1 ... }``."""

from __future__ import annotations

from netspec.errors import SpecError
from netspec.proto import LayerParameter, NetParameter, V1LayerParameter
from netspec.spec.carry import put
from netspec.spec.locate import Located, Spot

# Types whose name today is not the old one without underscores.
_NAMES = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "LRN": "LRN",
    "MVN": "MVN",
    "RELU": "ReLU",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "TANH": "TanH",
}
# Lists with one number a parameter, and the field of param that each has become.
_PARAM_FIELDS = {
    "param": "name",
    "blob_share_mode": "share_mode",
    "blobs_lr": "lr_mult",
    "weight_decay": "decay_mult",
}
_DATA_PARAMS = {
    V1LayerParameter.DATA: "data_param",
    V1LayerParameter.IMAGE_DATA: "image_data_param",
    V1LayerParameter.WINDOW_DATA: "window_data_param",
}
_TRANSFORM = ("scale", "mean_file", "crop_size", "mirror")


def type_name(kind: int) -> str:
    """Today's name of an old layer type: CONVOLUTION (4) is "Convolution"."""
    old = V1LayerParameter.LayerType.Name(kind)
    return _NAMES.get(old, "".join(word.capitalize() for word in old.split("_")))


def upgrade_transforms(net: Located[NetParameter], notes: list[str]) -> None:
    """Move scale, mean_file, crop_size and mirror of old data layers, in place.

    They go from data_param and its like to transform_param. Today's ``layer`` keeps
    them where they are, without effect, as in Caffe.
    """
    layers = [layer for layer in net.message.layers if layer.type in _DATA_PARAMS]
    settings = [getattr(layer, _DATA_PARAMS[layer.type]) for layer in layers]
    if not any(holds.HasField(f) for holds in settings for f in _TRANSFORM):
        return
    for i, layer in enumerate(net.message.layers):
        if layer.type in _DATA_PARAMS:
            spot = net.places.root.find(("layers", i))
            _move_transform(layer, spot, _DATA_PARAMS[layer.type])
    notes.append("transformations inside data_param, now in transform_param.")


def _move_transform(layer: V1LayerParameter, spot: Spot, name: str) -> None:
    """Move one layer's; both messages are there afterwards, as Caffe leaves them."""
    old = getattr(layer, name)
    old.SetInParent()
    layer.transform_param.SetInParent()
    for field in _TRANSFORM:
        if old.HasField(field):
            path = ("transform_param", field)
            put(layer, spot, path, getattr(old, field), spot.find((name, field)))
            old.ClearField(field)


def upgrade_v1(net: Located[NetParameter], notes: list[str]) -> None:
    """Rewrite V1 layers as today's layers, in place.

    Raises:
        SpecError: where the net has layers of both formats.
    """
    message, root = net.message, net.places.root
    if not message.layers:
        return
    if message.layer:
        raise _mixed(net)
    spots = root.fields.pop("layers", [])
    spots += [Spot(-1) for _ in range(len(message.layers) - len(spots))]
    for old, spot in zip(message.layers, spots, strict=True):
        place = Spot(spot.offset)
        _upgrade_layer(old, spot, message.layer.add(), place)
        root.fields.setdefault("layer", []).append(place)
    message.ClearField("layers")
    notes.append("the V1 format of 2014 ('layers' with types like CONVOLUTION).")


def _mixed(net: Located[NetParameter]) -> SpecError:
    first_new, first_old = net.place("layer", 0), net.place("layers", 0)
    return SpecError(
        "the net has layers of two formats: 'layers' (old) and 'layer' (today's).",
        'Write all of them as layer { type: "..." ... }.',
        place=max(first_new, first_old),
    )


def _upgrade_layer(
    old: V1LayerParameter, spot: Spot, new: LayerParameter, place: Spot
) -> None:
    for field, value in old.ListFields():
        name = field.name
        if name in _PARAM_FIELDS:
            for i, each in enumerate(value):
                source = spot.find((name, i))
                put(new, place, ("param", i, _PARAM_FIELDS[name]), each, source)
        elif name == "type":
            put(new, place, (name,), type_name(value), spot.find((name,)))
        else:
            _copy(new, name, value)
            place.fields[name] = spot.fields.get(name, [])


def _copy(new: LayerParameter, name: str, value: object) -> None:
    """Copy a field that both formats have under one name."""
    held = getattr(new, name)
    if hasattr(held, "extend"):
        held.extend(value)
    elif hasattr(held, "CopyFrom"):
        held.CopyFrom(value)
    else:
        setattr(new, name, value)
