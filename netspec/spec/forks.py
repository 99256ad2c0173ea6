"""Fields and layer types of Caffe's forks that netspec does not know.

They name where a file comes from. What such a field would do is not guessed: it is an
error, or left out with a warning by a lenient reader. The forks' fields that netspec
does know stand in the schema. What several forks share stands under the one that had
it first.
"""

from __future__ import annotations

_SSD = "the SSD fork (weiliu89/caffe)"
_SEGNET = "SegNet's fork (alexgkendall/caffe-segnet)"
_PSPNET = "the fork of DeepLab and PSPNet (hszhao/PSPNet)"
_RFCN = "R-FCN's fork (daijifeng001/caffe-rfcn)"
_YOLO = "the YOLO ports (eric612/MobileNet-YOLO)"
_FLOWNET = "FlowNet's fork (lmb-freiburg/flownet2)"
_CENTER = "center loss (ydwen/caffe-face)"
_SEGMENTS = "temporal segment networks (yjxiong/caffe)"
_NVIDIA = "NVIDIA's fork (NVIDIA/caffe)"
_INTEL = "Intel's fork (intel/caffe)"

_FIELDS = {
    _SSD: """
        video_data_param noise_param plateau_winsize""",
    _SEGNET: """
        dense_image_data_param sample_weights_test weight_by_label_freqs
        class_weighting max_lr""",
    _PSPNET: """
        seg_accuracy_param mat_read_param mat_write_param dense_crf_param
        domain_transform_param adaptive_bias_channel_param bias_channel_param
        unique_label_param update_global_stats""",
    "Fast R-CNN's fork (rbgirshick/caffe-fast-rcnn)": "scale_train",
    _RFCN: "box_annotator_ohem_param",
    _YOLO: """
        region_loss_param yolov3_param yolo_seg_param segmentation_evaluate_param""",
    _FLOWNET: """
        correlation_param flow_warp_param augmentation_param l1_loss_param
        resample_param downsample_param lpq_loss_param accum_param writer_param
        reader_param mean_param coeff_schedule_param black_augmentation_param""",
    _CENTER: "center_loss_param",
    _SEGMENTS: "mem_param margin_inner_product_param",
    _NVIDIA: """
        forward_type backward_type forward_math backward_math conv_algos_override
        default_conv_algos_override cudnn_math_override default_cudnn_math_override
        reduce_buckets larc_turbo solver_data_type test_and_snapshot_last_epochs
        store_blobs_in_old_format use_gpu_transform
        img_rand_resize_lower img_rand_resize_upper rand_resize_ratio_lower
        rand_resize_ratio_upper parser_threads threads cache trt_param
        detectnet_groundtruth_param detectnet_augmentation_param""",
    _INTEL: """
        compile_net_state quantization_param bn_stats_batch_size multinode
        mn_grad_compress_param mn_activation_param split_param disabled_update
        stats_batch_size spatial_dropout_param conv_algorithm avg_include_pad
        eval_detection_param random_resize_param
        random_aspect_ratio_param""",
}
_TYPES = {
    _SSD: "VideoData",
    _SEGNET: "DenseImageData",
    _PSPNET: """
        AdaptiveBiasChannel BiasChannel DenseCRF DomainTransform
        DomainTransformForwardOnly ImageSegData MatRead MatWrite SegAccuracy
        SpatialProduct UniqueLabel""",
    _RFCN: "BoxAnnotatorOHEM SmoothL1LossOHEM SoftmaxWithLossOHEM",
    _YOLO: """
        AssistedExcitation GaussianYolov3 LaneData RegionLoss SegmentationEvaluate
        YoloSeg Yolov3""",
    _FLOWNET: """
        Accum BlackAugmentation ChannelNorm Correlation Correlation1D CustomData
        DataAugmentation DisparityData Downsample FLOWriter FloatReader FloatWriter
        FlowAugmentation FlowWarp GenerateAugmentationParameters ImgReader ImgWriter
        L1Loss LpqLoss Mean NegReLU PFMWriter Resample""",
    _CENTER: "CenterLoss",
    _SEGMENTS: "BatchReduction Gather Scatter SegData SyncBN",
    _NVIDIA: "DetectNetTransformation TRT",
    _INTEL: "BoxData EvalDetection MKLBatchNorm MnActivation SpatialDropout",
}


def _by_name(table: dict[str, str]) -> dict[str, str]:
    return {name: fork for fork, names in table.items() for name in names.split()}


FORKS = _by_name(_FIELDS)
FORKS_OF_TYPES = _by_name(_TYPES)


def fork_of(field: str) -> str:
    """Which fork a field probably comes from; empty where none is known."""
    return FORKS.get(field, "")


def fork_of_type(kind: str) -> str:
    """Which fork a layer type that netspec lacks probably comes from, or empty."""
    return FORKS_OF_TYPES.get(kind, "")
