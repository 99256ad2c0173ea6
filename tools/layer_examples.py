"""An example of every layer type: bottoms with their shapes, tops, settings.

What docs/layers.md shows and tests/tools/test_layer_docs.py runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netspec.layers.user_code import UserLayer

Shape = tuple[int, ...]


class Double(UserLayer):
    """The class that the Python example names."""

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        top[0].data[...] = 2 * bottom[0].data

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = 2 * np.asarray(top[0].diff)


@dataclass(frozen=True)
class Example:
    """One layer.

    Attributes:
        bottoms, tops: names and shapes as ``x 2x3x8x8, label 2``; a bottom's blob is
            made by an Input. Shapes of tops are for sources whose data decides them.
        body: settings, as prototxt.
        phase: that it is for.
    """

    bottoms: str
    tops: str
    body: str = ""
    phase: str = "train"


_IMAGE = "x 2x3x12x10"
_ROWS = "x 4x6"
_SCORES = "score 4x5, label 4"
_FILL = 'weight_filler { type: "xavier" }'
_PAIRS = "a 4x3, b 4x3, similar 4"
_CONV = f"convolution_param {{ num_output: 6 kernel_size: 3 stride: 2 pad: 1 {_FILL} }}"
_RECURRENT = f"recurrent_param {{ num_output: 4 {_FILL} }}"
_TRANSFORM = (
    "mirror: true crop_size: 32 mean_value: 104 mean_value: 117 mean_value: 123"
)

EXAMPLES = {
    "AbsVal": Example(_IMAGE, "y"),
    "Accuracy": Example(_SCORES, "accuracy", "accuracy_param { top_k: 2 }", "test"),
    "AnnotatedData": Example(
        "",
        "data, label",
        """transform_param { mirror: true mean_value: 104
        resize_param { height: 300 width: 300 interp_mode: LINEAR interp_mode: AREA }
        distort_param { brightness_prob: 0.5 brightness_delta: 32 hue_prob: 0.5
        hue_delta: 18 } expand_param { prob: 0.5 max_expand_ratio: 4 }
        emit_constraint { emit_type: CENTER } }
        data_param { source: "voc_train_lmdb" batch_size: 8 backend: LMDB }
        annotated_data_param { batch_sampler { max_sample: 1 max_trials: 1 }
        batch_sampler { sampler { min_scale: 0.3 max_scale: 1 min_aspect_ratio: 0.5
        max_aspect_ratio: 2 } sample_constraint { min_jaccard_overlap: 0.5 }
        max_sample: 1 max_trials: 50 } }""",
    ),
    "ArgMax": Example(_IMAGE, "best", "argmax_param { axis: 1 }", "test"),
    "Axpy": Example("a 2x3, x 2x3x5x4, z 2x3x5x4", "y"),
    "BN": Example(_IMAGE, "y", "bn_param { momentum: 0.95 }"),
    "BNLL": Example(_IMAGE, "y"),
    "BatchNorm": Example(_IMAGE, "y", "batch_norm_param { eps: 0.001 }"),
    "BatchReindex": Example("x 4x6, rows 5", "y"),
    "Bias": Example(_IMAGE, "y", "bias_param { filler { value: 0.5 } }"),
    "Clip": Example(_IMAGE, "y", "clip_param { min: -1 max: 2 }"),
    "Concat": Example("a 2x3x5x4, b 2x4x5x4", "y", "concat_param { axis: 1 }"),
    "ContrastiveLoss": Example(
        _PAIRS, "loss", "contrastive_loss_param { margin: 1.5 }"
    ),
    "Convolution": Example(_IMAGE, "y", _CONV),
    "ConvolutionDepthwise": Example(
        _IMAGE, "y", f"convolution_param {{ num_output: 3 kernel_size: 3 {_FILL} }}"
    ),
    "Crop": Example(
        "x 2x3x12x10, like 2x3x9x8", "y", "crop_param { axis: 2 offset: 2 offset: 1 }"
    ),
    "Data": Example(
        "",
        "data, label",
        f"""transform_param {{ {_TRANSFORM} }}
        data_param {{ source: "train_lmdb" backend: LMDB batch_size: 8 }}""",
    ),
    "Deconvolution": Example(
        _IMAGE,
        "y",
        f"""convolution_param {{ num_output: 3 group: 3 kernel_size: 4 stride: 2 pad: 1
        bias_term: false {_FILL.replace("xavier", "bilinear")} }}
        param {{ lr_mult: 0 }}""",
    ),
    "DepthwiseConvolution": Example(
        _IMAGE,
        "y",
        f"convolution_param {{ num_output: 3 kernel_size: 3 group: 3 {_FILL} }}",
    ),
    "DetectionEvaluate": Example(
        "boxes 1x1x10x7, label 2x1x4x8",
        "precision",
        "detection_evaluate_param { num_classes: 3 overlap_threshold: 0.5 }",
        "test",
    ),
    "DetectionOutput": Example(
        "loc 1x24, conf 1x18, priors 1x2x24",
        "boxes",
        """detection_output_param { num_classes: 3 keep_top_k: 10
        confidence_threshold: 0.3 code_type: CENTER_SIZE
        nms_param { nms_threshold: 0.45 top_k: 400 } }""",
        "test",
    ),
    "Dropout": Example(_ROWS, "y", "dropout_param { dropout_ratio: 0.4 }"),
    "DummyData": Example(
        "",
        "x",
        """dummy_data_param { shape { dim: 4 dim: 3 }
        data_filler { type: "gaussian" std: 2 } }""",
    ),
    "ELU": Example(_IMAGE, "y", "elu_param { alpha: 0.5 }"),
    "Eltwise": Example(
        "a 2x3x5x4, b 2x3x5x4",
        "y",
        "eltwise_param { operation: SUM coeff: 1 coeff: -0.5 }",
    ),
    "Embed": Example(
        "word 5x4", "y", f"embed_param {{ num_output: 3 input_dim: 9 {_FILL} }}"
    ),
    "EuclideanLoss": Example("a 4x3, b 4x3", "loss"),
    "Exp": Example(_IMAGE, "y", "exp_param { base: 2 scale: 0.5 shift: 1 }"),
    "Filter": Example("x 4x6, selector 4", "kept"),
    "Flatten": Example(_IMAGE, "y", "flatten_param { axis: 1 }"),
    "HDF5Data": Example(
        "",
        "data 8x3x5, label 8",
        'hdf5_data_param { source: "train_h5.txt" batch_size: 8 shuffle: true }',
    ),
    "HDF5Output": Example(
        "data 4x6, label 4", "", 'hdf5_output_param { file_name: "features.h5" }'
    ),
    "HingeLoss": Example(_SCORES, "loss", "hinge_loss_param { norm: L2 }"),
    "Im2col": Example(
        _IMAGE, "y", "convolution_param { kernel_size: 3 stride: 2 pad: 1 }"
    ),
    "ImageData": Example(
        "",
        "data, label",
        """transform_param { crop_size: 32 }
        image_data_param { source: "train.txt" batch_size: 8 shuffle: true
        new_height: 40 new_width: 36 root_folder: "images/" }""",
    ),
    "InfogainLoss": Example("score 4x5, label 4, H 5x5", "loss"),
    "InnerProduct": Example(
        _IMAGE, "y", f"inner_product_param {{ num_output: 7 {_FILL} }}"
    ),
    "Input": Example(
        "", "x", "input_param { shape { dim: 2 dim: 3 dim: 12 dim: 10 } }", "test"
    ),
    "Interp": Example(_IMAGE, "y", "interp_param { zoom_factor: 2 }"),
    "LRN": Example(
        _IMAGE, "y", "lrn_param { local_size: 3 alpha: 0.0005 beta: 0.75 k: 2 }"
    ),
    "LSTM": Example("x 5x2x6, cont 5x2", "h", _RECURRENT),
    "LSTMUnit": Example("c_before 1x2x4, gates 1x2x16, cont 1x2", "c, h"),
    "Log": Example(_IMAGE, "y", "log_param { scale: 2 shift: 3 }"),
    "MVN": Example(_IMAGE, "y", "mvn_param { across_channels: true }"),
    "MemoryData": Example(
        "",
        "data, label",
        "memory_data_param { batch_size: 4 channels: 3 height: 8 width: 6 }",
    ),
    "MultiBoxLoss": Example(
        "loc 2x24, conf 2x18, priors 1x2x24, label 2x1x4x8",
        "loss",
        """propagate_down: true propagate_down: true propagate_down: false
        propagate_down: false loss_param { normalization: VALID }
        multibox_loss_param { num_classes: 3 code_type: CENTER_SIZE
        overlap_threshold: 0.5 neg_pos_ratio: 3 neg_overlap: 0.5
        mining_type: MAX_NEGATIVE }""",
    ),
    "MultinomialLogisticLoss": Example("prob 4x5, label 4", "loss"),
    "Normalize": Example(
        _IMAGE,
        "y",
        """norm_param { across_spatial: false channel_shared: false
        scale_filler { value: 20 } }""",
    ),
    "PReLU": Example(_IMAGE, "y", "prelu_param { filler { value: 0.1 } }"),
    "PSROIPooling": Example(
        "x 2x18x8x6, rois 4x5",
        "y",
        "psroi_pooling_param { spatial_scale: 0.0625 output_dim: 2 group_size: 3 }",
    ),
    "Parameter": Example("", "w", "parameter_param { shape { dim: 3 dim: 4 } }"),
    "Permute": Example(
        _IMAGE, "y", "permute_param { order: 0 order: 2 order: 3 order: 1 }"
    ),
    "Pooling": Example(
        _IMAGE, "y", "pooling_param { pool: MAX kernel_size: 3 stride: 2 }"
    ),
    "Power": Example(_IMAGE, "y", "power_param { power: 2 scale: 0.5 shift: 1 }"),
    "PriorBox": Example(
        "x 1x8x4x3, image 1x3x64x48",
        "priors",
        """prior_box_param { min_size: 20 max_size: 30 aspect_ratio: 2 clip: true
        variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 }""",
        "test",
    ),
    "Python": Example(
        _ROWS, "y", 'python_param { module: "my_layers" layer: "Double" }'
    ),
    "Reorg": Example("x 2x8x6x4", "y", "reorg_param { stride: 2 }"),
    "RNN": Example("x 5x2x6, cont 5x2", "h", _RECURRENT),
    "ROIPooling": Example(
        "x 2x8x8x6, rois 4x5",
        "y",
        "roi_pooling_param { pooled_h: 3 pooled_w: 2 spatial_scale: 0.0625 }",
    ),
    "ReLU": Example(_IMAGE, "y", "relu_param { negative_slope: 0.1 }"),
    "ReLU6": Example(_IMAGE, "y"),
    "Reduction": Example(
        _IMAGE, "y", "reduction_param { operation: MEAN axis: 2 coeff: 3 }"
    ),
    "Reshape": Example(
        _IMAGE, "y", "reshape_param { shape { dim: 0 dim: -1 dim: 20 } }"
    ),
    "SPP": Example(_IMAGE, "y", "spp_param { pyramid_height: 2 pool: MAX }"),
    "Scale": Example(_IMAGE, "y", "scale_param { bias_term: true }"),
    "ShuffleChannel": Example(
        "x 2x6x5x4", "y", "shuffle_channel_param { group: 3 }", "test"
    ),
    "Sigmoid": Example(_IMAGE, "y"),
    "SigmoidCrossEntropyLoss": Example("x 4x6, target 4x6", "loss"),
    "Silence": Example(_ROWS, ""),
    "Slice": Example(
        "x 2x6x5x4", "a, b, c", "slice_param { axis: 1 slice_point: 1 slice_point: 4 }"
    ),
    "SmoothL1Loss": Example(
        "x 4x8, target 4x8, inside 4x8, outside 4x8",
        "loss",
        "smooth_l1_loss_param { sigma: 3 }",
    ),
    "Softmax": Example(_ROWS, "prob", "softmax_param { axis: 1 }", "test"),
    "SoftmaxWithLoss": Example(_SCORES, "loss", "loss_param { ignore_label: 255 }"),
    "Split": Example(_ROWS, "a, b"),
    "Swish": Example(_IMAGE, "y", "swish_param { beta: 1.5 }"),
    "TanH": Example(_IMAGE, "y"),
    "Threshold": Example(_IMAGE, "y", "threshold_param { threshold: 0.5 }", "test"),
    "Tile": Example("x 2x3x5x4", "y", "tile_param { axis: 1 tiles: 2 }"),
    "Upsample": Example("x 2x3x5x4", "y", "upsample_param { scale: 2 }", "test"),
    "WindowData": Example(
        "",
        "data, label",
        """transform_param { mirror: true crop_size: 24 }
        window_data_param { source: "windows.txt" batch_size: 8 fg_fraction: 0.25
        context_pad: 4 crop_mode: "warp" }""",
    ),
    "YoloDetectionOutput": Example(
        "x 2x16x4x4",
        "boxes",
        """yolo_detection_output_param { num_classes: 3 num_box: 2
        confidence_threshold: 0.5 nms_threshold: 0.45
        biases: 1.2 biases: 1.9 biases: 3.4 biases: 4.4 }""",
        "test",
    ),
    "Yolov3DetectionOutput": Example(
        "coarse 1x16x2x2, fine 1x16x4x4",
        "boxes",
        """yolov3_detection_output_param { num_classes: 3 num_box: 2
        confidence_threshold: 0.5 anchors_scale: 32 anchors_scale: 16
        mask_group_num: 2 mask: 2 mask: 3 mask: 0 mask: 1
        biases: 10 biases: 14 biases: 23 biases: 27
        biases: 37 biases: 58 biases: 81 biases: 82 }""",
        "test",
    ),
}
