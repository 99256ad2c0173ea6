"""Fields that forks of Caffe added, so that an error can name where a file comes from.

netspec reads the fields of BVLC Caffe, and of no fork, in text; what a fork's field
would do is not guessed.
"""

from __future__ import annotations

SSD = "the SSD fork (weiliu89/caffe)"
SEGNET = "the SegNet fork (alexgkendall/caffe-segnet)"
DEEPLAB = "DeepLab and PSPNet (hszhao/PSPNet)"
FAST_RCNN = "Fast and Faster R-CNN (rbgirshick/caffe-fast-rcnn)"
RFCN = "R-FCN (daijifeng001/caffe-rfcn)"
NVIDIA = "NVIDIA's fork (NVIDIA/caffe)"
INTEL = "Intel's fork (intel/caffe)"
SHUFFLENET = "ShuffleNet (farmingyard/ShuffleNet)"
MOBILENET = "MobileNet's depthwise layer (yonghenglh6/DepthwiseConvolution)"
FLOWNET = "FlowNet (lmb-freiburg/flownet2)"
YJXIONG = "temporal segment networks (yjxiong/caffe)"
DETECTNET = "DetectNet, in NVIDIA's fork"
C3D = "C3D (facebook/C3D)"
CENTER = "center loss (ydwen/caffe-face)"
OPENPOSE = "OpenPose's training fork"
YOLO = "the YOLO ports (eric612/MobileNet-YOLO)"

FORKS: dict[str, str] = {
    "annotated_data_param": SSD,
    "detection_evaluate_param": SSD,
    "detection_output_param": SSD,
    "multibox_loss_param": SSD,
    "norm_param": SSD,
    "permute_param": SSD,
    "prior_box_param": SSD,
    "video_data_param": SSD,
    "resize_param": SSD,
    "noise_param": SSD,
    "distort_param": SSD,
    "expand_param": SSD,
    "emit_constraint": SSD,
    "eval_type": SSD,
    "ap_version": SSD,
    "show_per_class_result": SSD,
    "bn_param": SEGNET,
    "bn_mode": SEGNET,
    "dense_image_data_param": SEGNET,
    "upsample_param": SEGNET,
    "sample_weights_test": SEGNET,
    "weight_by_label_freqs": SEGNET,
    "class_weighting": SEGNET,
    "interp_param": DEEPLAB,
    "seg_accuracy_param": DEEPLAB,
    "unpooling_param": DEEPLAB,
    "mat_read_param": DEEPLAB,
    "mat_write_param": DEEPLAB,
    "densecrf_param": DEEPLAB,
    "slope": "PSPNet's BN layer (hszhao/PSPNet)",
    "roi_pooling_param": FAST_RCNN,
    "smooth_l1_loss_param": FAST_RCNN,
    "psroi_pooling_param": RFCN,
    "box_annotator_ohem_param": RFCN,
    "shuffle_channel_param": SHUFFLENET,
    "depthwise_conv_param": MOBILENET,
    "relu6_param": MOBILENET,
    "axpy_param": "SENet (hujie-frank/SENet)",
    "center_loss_param": CENTER,
    "triplet_loss_param": "FaceNet's ports",
    "margin_inner_product_param": "SphereFace (wy1iu/sphereface)",
    "label_specific_add_param": "the CosFace and ArcFace ports",
    "cosin_add_param": "the CosFace and ArcFace ports",
    "normalize_param": "face recognition forks",
    "focal_loss_param": "RetinaNet's ports",
    "region_loss_param": YOLO,
    "region_output_param": YOLO,
    "yolov3_param": YOLO,
    "yolov3_detection_output_param": YOLO,
    "reorg_param": YOLO,
    "correlation_param": FLOWNET,
    "flow_warp_param": FLOWNET,
    "augmentation_param": FLOWNET,
    "l1_loss_param": FLOWNET,
    "bn_mode_param": YJXIONG,
    "mem_param": YJXIONG,
    "roi_align_param": "Mask R-CNN's ports",
    "spatial_dropout_param": "pose forks",
    "cpm_transform_param": OPENPOSE,
    "convolution3d_param": C3D,
    "pooling3d_param": C3D,
    "tensor3d_param": C3D,
    "warp_ctc_loss_param": "the CTC forks (xmfbit/warpctc-caffe)",
    "ctc_loss_param": "the CTC forks",
    "lstm_param": "lstm_caffe (junhyukoh/caffe-lstm)",
    "reverse_param": "the CRNN ports",
    "transpose_param": "the CRNN ports",
    "batch_norm_scale_param": "MXNet converters",
    "forward_type": NVIDIA,
    "backward_type": NVIDIA,
    "forward_math": NVIDIA,
    "backward_math": NVIDIA,
    "default_forward_type": NVIDIA,
    "default_backward_type": NVIDIA,
    "default_forward_math": NVIDIA,
    "default_backward_math": NVIDIA,
    "global_grad_scale": NVIDIA,
    "global_grad_scale_adaptive": NVIDIA,
    "default_conv_algos_override": NVIDIA,
    "conv_algos_override": NVIDIA,
    "cudnn_math_override": NVIDIA,
    "default_cudnn_math_override": NVIDIA,
    "reduce_buckets": NVIDIA,
    "rampup_interval": NVIDIA,
    "rampup_lr": NVIDIA,
    "min_lr": NVIDIA,
    "momentum_policy": NVIDIA,
    "max_momentum": NVIDIA,
    "momentum_power": NVIDIA,
    "local_lr_auto": NVIDIA,
    "local_gw_ratio": NVIDIA,
    "larc": NVIDIA,
    "larc_policy": NVIDIA,
    "larc_turbo": NVIDIA,
    "weight_decay_policy": NVIDIA,
    "weight_decay_power": NVIDIA,
    "store_blobs_in_old_format": NVIDIA,
    "plateau_winsize": NVIDIA,
    "use_gpu_transform": NVIDIA,
    "img_rand_resize_lower": NVIDIA,
    "img_rand_resize_upper": NVIDIA,
    "rand_resize_ratio_lower": NVIDIA,
    "rand_resize_ratio_upper": NVIDIA,
    "parser_threads": NVIDIA,
    "threads": NVIDIA,
    "cache": NVIDIA,
    "scale_filler": NVIDIA,
    "eval_param": NVIDIA,
    "detectnet_groundtruth_param": DETECTNET,
    "detectnet_augmentation_param": DETECTNET,
    "use_weight_bias": INTEL,
    "engine": INTEL,
    "compile_net_state": INTEL,
    "quantization_param": INTEL,
    "warmup_iter": INTEL,
    "warmup_start_lr": INTEL,
    "bn_stats_batch_size": INTEL,
    "fuse_type": INTEL,
    "multinode": INTEL,
    "numa_partition": INTEL,
    "mn_param": INTEL,
    "mn_grad_compress_param": INTEL,
    "ofrecord_param": INTEL,
}


def fork_of(field: str) -> str:
    """Which fork a field probably comes from; empty where none is known."""
    return FORKS.get(field, "")
