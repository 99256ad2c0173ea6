"""V0 nets, the format of 2013: ``layers { layer { type: "conv" ... } bottom top }``.

They become V1 nets, from which the rest of the upgrade goes on. A "padding" layer is
folded into the convolution or pooling that reads it.
"""

from __future__ import annotations

from netspec.errors import SpecError
from netspec.proto import NetParameter, V1LayerParameter
from netspec.registry import suggest
from netspec.spec.carry import Path, put
from netspec.spec.locate import Located, Spot

_Layer = tuple[V1LayerParameter, Spot]

# V0 type: V1 type, and the message that holds its settings.
_TYPES = {
    "accuracy": ("ACCURACY", ""),
    "bnll": ("BNLL", ""),
    "concat": ("CONCAT", "concat_param"),
    "conv": ("CONVOLUTION", "convolution_param"),
    "data": ("DATA", "data_param"),
    "dropout": ("DROPOUT", "dropout_param"),
    "euclidean_loss": ("EUCLIDEAN_LOSS", ""),
    "flatten": ("FLATTEN", ""),
    "hdf5_data": ("HDF5_DATA", "hdf5_data_param"),
    "hdf5_output": ("HDF5_OUTPUT", "hdf5_output_param"),
    "im2col": ("IM2COL", ""),
    "images": ("IMAGE_DATA", "image_data_param"),
    "infogain_loss": ("INFOGAIN_LOSS", "infogain_loss_param"),
    "innerproduct": ("INNER_PRODUCT", "inner_product_param"),
    "lrn": ("LRN", "lrn_param"),
    "multinomial_logistic_loss": ("MULTINOMIAL_LOGISTIC_LOSS", ""),
    "pool": ("POOLING", "pooling_param"),
    "relu": ("RELU", ""),
    "sigmoid": ("SIGMOID", ""),
    "softmax": ("SOFTMAX", ""),
    "softmax_loss": ("SOFTMAX_LOSS", ""),
    "split": ("SPLIT", ""),
    "tanh": ("TANH", ""),
    "window_data": ("WINDOW_DATA", "window_data_param"),
}

# V0 field: its name today, and the types that have it.
_FIELDS = {
    "num_output": ("num_output", "conv innerproduct"),
    "biasterm": ("bias_term", "conv innerproduct"),
    "weight_filler": ("weight_filler", "conv innerproduct"),
    "bias_filler": ("bias_filler", "conv innerproduct"),
    "pad": ("pad", "conv pool"),
    "kernelsize": ("kernel_size", "conv pool"),
    "group": ("group", "conv"),
    "stride": ("stride", "conv pool"),
    "pool": ("pool", "pool"),
    "dropout_ratio": ("dropout_ratio", "dropout"),
    "local_size": ("local_size", "lrn"),
    "alpha": ("alpha", "lrn"),
    "beta": ("beta", "lrn"),
    "k": ("k", "lrn"),
    "source": ("source", "data hdf5_data images window_data infogain_loss"),
    "batchsize": ("batch_size", "data hdf5_data images window_data"),
    "rand_skip": ("rand_skip", "data images"),
    "shuffle_images": ("shuffle", "images"),
    "new_height": ("new_height", "images"),
    "new_width": ("new_width", "images"),
    "concat_dim": ("concat_dim", "concat"),
    "det_fg_threshold": ("fg_threshold", "window_data"),
    "det_bg_threshold": ("bg_threshold", "window_data"),
    "det_fg_fraction": ("fg_fraction", "window_data"),
    "det_context_pad": ("context_pad", "window_data"),
    "det_crop_mode": ("crop_mode", "window_data"),
}
_TRANSFORM = {
    "scale": "scale",
    "meanfile": "mean_file",
    "cropsize": "crop_size",
    "mirror": "mirror",
}


def upgrade_v0(net: Located[NetParameter], notes: list[str]) -> None:
    """Rewrite V0 layers as V1 layers, in place.

    Raises:
        SpecError: where V0 and other layers are mixed, a type does not exist, or a
            padding layer cannot be folded away.
    """
    message, root = net.message, net.places.root
    if not any(layer.HasField("layer") for layer in message.layers):
        return
    spots = root.fields.setdefault("layers", [])
    spots += [Spot(-1) for _ in range(len(message.layers) - len(spots))]
    old = list(zip(message.layers, spots, strict=True))
    _refuse_mixture(net)
    new = [_upgrade_layer(net, *layer, notes) for layer in _fold_padding(net, old)]
    del message.layers[:]
    message.layers.extend(layer for layer, _ in new)
    root.fields["layers"] = [spot for _, spot in new]
    notes.insert(0, "the V0 format of 2013 ('layers { layer { ... } }').")


def _refuse_mixture(net: Located[NetParameter]) -> None:
    for i, layer in enumerate(net.message.layers):
        if not layer.HasField("layer"):
            raise SpecError(
                f"the old layer {layer.name!r} is not in the V0 format, others are.",
                "Put its settings into 'layer { ... }' as the others do, or write the "
                "whole net with today's 'layer'.",
                place=net.place("layers", i),
            )


def _fault(
    net: Located[NetParameter], layer: _Layer, problem: str, remedy: str
) -> SpecError:
    index = net.places.root.fields["layers"].index(layer[1])
    inner = layer[0].layer
    return SpecError(
        problem,
        remedy,
        place=net.place("layers", index),
        layer=(inner.name, inner.type),
    )


def _fold_padding(net: Located[NetParameter], layers: list[_Layer]) -> list[_Layer]:
    """The layers without the padding ones, whose readers take over their pad."""
    makers: dict[str, _Layer | None] = dict.fromkeys(net.message.input)
    kept = []
    for layer in layers:
        outer, spot = layer
        for i, bottom in enumerate(outer.bottom):
            if bottom not in makers:
                problem = f"no layer before it makes its bottom {bottom!r}."
                raise _fault(net, layer, problem, suggest(bottom, makers))
            source = makers[bottom]
            if source and source[0].layer.type == "padding":
                _check_padding(net, layer, source)
                outer.layer.pad = source[0].layer.pad
                outer.bottom[i] = source[0].bottom[0]
        makers |= dict.fromkeys(outer.top, layer)
        if outer.layer.type != "padding":
            kept.append((outer, spot))
    return kept


def _check_padding(net: Located[NetParameter], layer: _Layer, source: _Layer) -> None:
    if layer[0].layer.type not in ("conv", "pool") or len(layer[0].bottom) != 1:
        raise _fault(
            net,
            layer,
            f"it reads the padding layer {source[0].layer.name!r}.",
            "Only a conv or pool layer with one bottom can read a padding layer.",
        )
    if len(source[0].bottom) != 1 or len(source[0].top) != 1:
        problem = "a padding layer needs exactly one bottom and one top."
        raise _fault(net, source, problem, "Give it one of each.")


def _upgrade_layer(
    net: Located[NetParameter], old: V1LayerParameter, spot: Spot, notes: list[str]
) -> _Layer:
    inner, inside = old.layer, spot.find(("layer",))
    kind = inner.type
    if inner.HasField("type") and kind not in _TYPES:
        problem = f"unknown V0 layer type {kind!r}."
        raise _fault(net, (old, spot), problem, suggest(kind, _TYPES))
    new, place = V1LayerParameter(), Spot(spot.offset)
    for field, value in inner.ListFields():
        source = inside.find((field.name,))
        if field.name in ("blobs", "blobs_lr", "weight_decay"):
            getattr(new, field.name).extend(value)
            place.fields[field.name] = inside.fields.get(field.name, [])
        elif path := _path(field.name, kind):
            value = _TYPES[kind][0] if field.name == "type" else value
            if field.name == "type":
                value = V1LayerParameter.LayerType.Value(value)
            put(new, place, path, value, source)
        else:
            notes.append(
                f"{field.name} of layer {inner.name!r} was dropped: a {kind!r} layer "
                "has no use for it."
            )
    _keep_connections(old, spot, new, place)
    return new, place


def _keep_connections(
    old: V1LayerParameter, spot: Spot, new: V1LayerParameter, place: Spot
) -> None:
    for name in ("bottom", "top"):
        getattr(new, name).extend(getattr(old, name))
        place.fields[name] = spot.fields.get(name, [])


def _path(field: str, kind: str) -> Path:
    """Where a V0 field of a layer type goes; empty where it has no meaning."""
    if field in ("name", "type"):
        return (field,)
    if field in _TRANSFORM:
        return ("transform_param", _TRANSFORM[field])
    if field == "hdf5_output_param":
        return (field,) if kind == "hdf5_output" else ()
    name, kinds = _FIELDS.get(field, ("", ""))
    return (_TYPES[kind][1], name) if kind in kinds.split() else ()
