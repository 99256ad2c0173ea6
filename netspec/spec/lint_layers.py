"""Lints about the settings of one layer."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.proto import TEST, FillerParameter, LayerParameter
from netspec.spec.view import LEARNED, Finding, View, scales_itself

# Settings that are read by layers of other types than their name says.
_READERS = {
    "argmax_param": {"ArgMax"},
    "bn_param": {"BN"},
    "convolution_param": {
        "Convolution",
        "ConvolutionDepthwise",
        "Deconvolution",
        "DepthwiseConvolution",
        "Im2col",
    },
    "crop_param": {"Crop"},
    "data_param": {"AnnotatedData", "Data"},
    "elu_param": {"ELU"},
    "hdf5_data_param": {"HDF5Data"},
    "hdf5_output_param": {"HDF5Output"},
    "infogain_loss_param": {"InfogainLoss"},
    "lrn_param": {"LRN"},
    "multibox_loss_param": {"MultiBoxLoss"},
    "mvn_param": {"MVN"},
    "norm_param": {"Normalize"},
    "prelu_param": {"PReLU"},
    "psroi_pooling_param": {"PSROIPooling"},
    "recurrent_param": {"RNN", "LSTM", "LSTMUnit"},
    "relu6_param": {"ReLU6"},
    "relu_param": {"ReLU"},
    "roi_pooling_param": {"ROIPooling"},
    "sigmoid_param": {"Sigmoid", "SigmoidCrossEntropyLoss"},
    "smooth_l1_loss_param": {"SmoothL1Loss"},
    "softmax_param": {"Softmax", "SoftmaxWithLoss", "InfogainLoss"},
    "spp_param": {"SPP"},
    "tanh_param": {"TanH"},
    "transform_param": {
        "AnnotatedData",
        "Data",
        "ImageData",
        "MemoryData",
        "WindowData",
        "HDF5Data",
    },
}
_FILLER_FIELDS = {
    "constant": {"value"},
    "uniform": {"min", "max"},
    "gaussian": {"mean", "std", "sparse"},
    "xavier": {"variance_norm"},
    "msra": {"variance_norm"},
    "positive_unitball": set(),
    "bilinear": set(),
}
_WEIGHTED = {
    "Convolution": "convolution_param",
    "ConvolutionDepthwise": "convolution_param",
    "Deconvolution": "convolution_param",
    "DepthwiseConvolution": "convolution_param",
    "Embed": "embed_param",
    "InnerProduct": "inner_product_param",
}


def other_types_settings(view: View) -> Iterator[Finding]:
    """A *_param that the layer's type does not read."""
    for i, layer in enumerate(view.layers):
        for field, _ in layer.ListFields():
            name = field.name
            if name.endswith("_param") and not _reads(layer.type, name):
                text = f"{name} has no effect: a layer of type {layer.type} ignores it."
                yield view.finding(text, i, name)


def _reads(kind: str, name: str) -> bool:
    if name == "loss_param":
        return kind.endswith("Loss")
    if name == "python_param":
        return True  # layers from other packages have it for their settings
    if name in _READERS:
        return kind in _READERS[name] or kind == "Python"
    return kind in (_camel(name), "Python")


def _camel(name: str) -> str:
    """The type that a settings field is named after: data_param is Data's."""
    return "".join(word.capitalize() for word in name.split("_")[:-1])


def learned_statistics(view: View) -> Iterator[Finding]:
    """BatchNorm's blobs are statistics, not weights."""
    for i, layer in view.of_type("BatchNorm"):
        if scales_itself(layer):
            continue
        given = [p for p, param in enumerate(layer.param) if param.HasField("lr_mult")]
        for p in given:
            if layer.param[p].lr_mult:
                text = "the blobs of BatchNorm are statistics: lr_mult must be 0."
                yield view.finding(text, i, "param", p, "lr_mult")


def global_statistics(view: View) -> Iterator[Finding]:
    """use_global_stats the wrong way round for the phase."""
    for i, layer in view.of_type("BatchNorm"):
        path = ("batch_norm_param", "use_global_stats")
        if not layer.batch_norm_param.HasField("use_global_stats"):
            continue
        if layer.batch_norm_param.use_global_stats and view.trains:
            yield view.finding(
                "use_global_stats: true holds while training too, so the batch's own "
                "statistics are never used nor stored; without the field the phase "
                "decides.",
                i,
                *path,
            )
        elif not layer.batch_norm_param.use_global_stats and view.phase == TEST:
            yield view.finding(
                "use_global_stats: false holds in TEST too, so a result depends on "
                "what else is in the batch; without the field the phase decides.",
                i,
                *path,
            )


def repeated_names(view: View) -> Iterator[Finding]:
    """Two layers of one name in one phase."""
    seen: set[str] = set()
    for i, layer in enumerate(view.layers):
        if layer.name in seen and layer.type in LEARNED:
            text = "an earlier layer has this name: both load the same weights."
            yield view.finding(text, i, "name")
        seen.add(layer.name)


def zero_weights(view: View) -> Iterator[Finding]:
    """Weights that start at 0 while training: every output learns the same."""
    if not view.trains:
        return
    for i, layer in view.of_type(*_WEIGHTED):
        name = _WEIGHTED[layer.type]
        filler = getattr(layer, name).weight_filler
        constant = filler.type == "constant" and not filler.value
        if constant and not any(p.name for p in layer.param):
            yield view.finding(
                "weights start at 0 unless they are loaded: there is no "
                'weight_filler with a type such as "xavier" or "msra".',
                i,
                name,
                "weight_filler",
            )


def idle_fillers(view: View) -> Iterator[Finding]:
    """Settings of a filler that its type does not read."""
    for i, layer in enumerate(view.layers):
        for name, inner, filler in _fillers(layer):
            for idle in _idle(filler):
                text = f"{inner}: a {filler.type} filler ignores {idle}."
                yield view.finding(text, i, name, inner, idle)


def _fillers(layer: LayerParameter) -> Iterator[tuple[str, str, FillerParameter]]:
    """Settings, field and message of each filler that is given."""
    for field, settings in layer.ListFields():
        if field.name.endswith("_param"):
            for inner, value in settings.ListFields():
                if isinstance(value, FillerParameter):
                    yield field.name, inner.name, value


def _idle(filler: FillerParameter) -> list[str]:
    if filler.type not in _FILLER_FIELDS:
        return []
    reads = _FILLER_FIELDS[filler.type] | {"type"}
    return [f.name for f, _ in filler.ListFields() if f.name not in reads]
