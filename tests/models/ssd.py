"""A detector small enough to be trained in a test: two classes of rectangles."""

from __future__ import annotations


def _layer(name: str, kind: str, bottoms: str, more: str = "") -> str:
    below = " ".join(f'bottom: "{bottom}"' for bottom in bottoms.split())
    return f'layer {{ name: "{name}" type: "{kind}" {below} top: "{name}" {more} }}\n'


def _conv(name: str, bottom: str, outputs: int, relu: bool = True) -> str:
    param = (
        f"convolution_param {{ num_output: {outputs} kernel_size: 3 pad: 1 "
        'weight_filler { type: "xavier" } }'
    )
    text = _layer(name, "Convolution", bottom, param)
    if relu:
        text += (
            f'layer {{ type: "ReLU" name: "{name}r" bottom: "{name}" top: "{name}" }}'
        )
    return text


def _pool(name: str, bottom: str) -> str:
    return _layer(name, "Pooling", bottom, "pooling_param { kernel_size: 2 stride: 2 }")


def _head(name: str, each: int) -> str:
    order = "permute_param { order: 0 order: 2 order: 3 order: 1 }"
    return (
        _conv(f"{name}_map", "conv3", 4 * each, relu=False)
        + _layer(f"{name}_perm", "Permute", f"{name}_map", order)
        + _layer(name, "Flatten", f"{name}_perm")
    )


BODY = (
    _conv("conv1", "data", 12)
    + _pool("pool1", "conv1")
    + _conv("conv2", "pool1", 20)
    + _pool("pool2", "conv2")
    + _conv("conv3", "pool2", 24)
    + _head("loc", 4)
    + _head("conf", 3)
    + _layer(
        "priors",
        "PriorBox",
        "conv3 data",
        "prior_box_param { min_size: 9 max_size: 14 aspect_ratio: 2 clip: false "
        "variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 }",
    )
)
LOSS = _layer(
    "loss",
    "MultiBoxLoss",
    "loc conf priors label",
    "include { phase: TRAIN } propagate_down: true propagate_down: true "
    "propagate_down: false propagate_down: false loss_param { normalization: VALID } "
    "multibox_loss_param { num_classes: 3 code_type: CENTER_SIZE "
    "overlap_threshold: 0.45 }",
)
TEST_ONLY = "include { phase: TEST }"
DETECTION = (
    _layer(
        "conf_rows",
        "Reshape",
        "conf",
        f"{TEST_ONLY} reshape_param {{ shape {{ dim: 0 dim: -1 dim: 3 }} }}",
    )
    + _layer("prob", "Softmax", "conf_rows", f"{TEST_ONLY} softmax_param {{ axis: 2 }}")
    + _layer("prob_flat", "Flatten", "prob", TEST_ONLY)
    + _layer(
        "detections",
        "DetectionOutput",
        "loc prob_flat priors",
        f"{TEST_ONLY} detection_output_param {{ num_classes: 3 code_type: CENTER_SIZE "
        "nms_param { nms_threshold: 0.4 top_k: 100 } keep_top_k: 20 "
        "confidence_threshold: 0.3 }",
    )
)
EVALUATION = _layer(
    "precision",
    "DetectionEvaluate",
    "detections label",
    f"{TEST_ONLY} detection_evaluate_param {{ num_classes: 3 "
    "show_per_class_result: true }",
)


def test_net(source: str, batch: int) -> str:
    """The net that tests: what share of the objects it finds."""
    data = _layer(
        "data",
        "AnnotatedData",
        "",
        f'top: "label" data_param {{ source: "{source}" batch_size: {batch} '
        "backend: LMDB } transform_param { scale: 0.0078125 mean_value: 60 }",
    )
    return data + BODY + DETECTION + EVALUATION


test_net.__test__ = False  # type: ignore[attr-defined]  # pytest: not a test


def net(source: str, batch: int, transform: str = "") -> str:
    """The net that trains, with its data from one database."""
    data = _layer(
        "data",
        "AnnotatedData",
        "",
        f'top: "label" data_param {{ source: "{source}" batch_size: {batch} '
        f"backend: LMDB shuffle: true }} "
        "transform_param { scale: 0.0078125 mean_value: 60 "
        f"resize_param {{ height: 32 width: 32 }} {transform} }} "
        "annotated_data_param { batch_sampler { max_sample: 1 max_trials: 1 } "
        "batch_sampler { sampler { min_scale: 0.7 min_aspect_ratio: 0.8 "
        "max_aspect_ratio: 1.25 } sample_constraint { min_object_coverage: 0.9 } "
        "max_sample: 1 max_trials: 20 } }",
    )
    return data + BODY + LOSS
