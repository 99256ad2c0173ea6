"""Binary nets of forks of Caffe: their numbers, and fields that nobody here knows."""

from __future__ import annotations

import struct
import warnings

import pytest

from netspec.errors import SpecError, SpecWarning
from netspec.proto import FillerParameter, LayerParameter, NetParameter
from netspec.spec import read_net
from netspec.spec.dialects import in_own_numbers
from netspec.spec.wire import FIXED32, encode_field, encode_varint


def text(number: int, value: str) -> bytes:
    return encode_field(number, value.encode())


def whole(number: int, value: int) -> bytes:
    return encode_varint(number << 3) + encode_varint(value)


def real(number: int, value: float) -> bytes:
    return encode_varint(number << 3 | FIXED32) + struct.pack("<f", value)


def filler(value: float) -> bytes:
    return FillerParameter(value=value).SerializeToString()


def layer(kind: str, *fields: bytes) -> bytes:
    return encode_field(100, text(1, "a") + text(2, kind) + b"".join(fields))


# What a fork's binary file holds, and the same in the schema's text.
FORKS = {
    "SegNet's BN": (
        "BN",
        encode_field(
            45, encode_field(1, filler(2)) + encode_field(2, filler(3)) + whole(3, 1)
        ),
        "bn_param { scale_filler { value: 2 } shift_filler { value: 3 } "
        "bn_mode: INFERENCE }",
    ),
    "PSPNet's BN": (
        "BN",
        encode_field(152, encode_field(1, filler(2)) + real(3, 0.5) + whole(5, 1)),
        "bn_param { slope_filler { value: 2 } momentum: 0.5 frozen: true }",
    ),
    "BN of temporal segment networks": (
        "BN",
        encode_field(137, encode_field(2, filler(2)) + real(4, 0.25)),
        "bn_param { bias_filler { value: 2 } eps: 0.25 }",
    ),
    "PSPNet's Interp": (
        "Interp",
        encode_field(143, whole(1, 9) + whole(2, 7)),
        "interp_param { height: 9 width: 7 }",
    ),
    "SegNet's Upsample": (
        "Upsample",
        encode_field(137, whole(1, 3) + whole(6, 360)),
        "upsample_param { scale: 3 upsample_h: 360 }",
    ),
    "YOLO's Upsample": (
        "Upsample",
        encode_field(150, whole(1, 3)),
        "upsample_param { scale: 3 }",
    ),
    "Intel's SmoothL1Loss": (
        "SmoothL1Loss",
        encode_field(148, real(1, 3)),
        "smooth_l1_loss_param { sigma: 3 }",
    ),
    "Intel's ROIPooling": (
        "ROIPooling",
        encode_field(154, whole(1, 6) + whole(2, 7)),
        "roi_pooling_param { pooled_h: 6 pooled_w: 7 }",
    ),
    "NVIDIA's LSTM": (
        "LSTM",
        encode_field(151, whole(1, 6)),
        "recurrent_param { num_output: 6 }",
    ),
    "NVIDIA's BatchNorm": (
        "BatchNorm",
        encode_field(
            139,
            encode_field(5, filler(2)) + encode_field(6, filler(3)) + whole(7, 1),
        ),
        "batch_norm_param { scale_filler { value: 2 } bias_filler { value: 3 } "
        "scale_bias: true }",
    ),
    "Intel's BatchNorm": (
        "BatchNorm",
        encode_field(
            139,
            real(3, 0.5)
            + whole(4, 3)
            + whole(5, 1)
            + whole(6, 0)
            + encode_field(7, filler(2))
            + encode_field(8, filler(3)),
        ),
        "batch_norm_param { eps: 0.5 engine: MKL2017 use_weight_bias: true "
        "bias_term: false filler { value: 2 } bias_filler { value: 3 } }",
    ),
    "NVIDIA's AnnotatedData": (
        "AnnotatedData",
        encode_field(
            100,
            whole(2, 1)
            + encode_field(208, whole(3, 30) + whole(4, 40))
            + encode_field(210, whole(1, 1))
            + whole(211, 20)
            + whole(212, 25)
            + encode_field(213, real(1, 0.5))
            + encode_field(214, real(2, 3)),
        ),
        "transform_param { mirror: true resize_param { height: 30 width: 40 } "
        "emit_constraint { emit_type: MIN_OVERLAP } crop_h: 20 crop_w: 25 "
        "distort_param { brightness_prob: 0.5 } "
        "expand_param { max_expand_ratio: 3 } }",
    ),
    "Caffe's Embed": (
        "Embed",
        encode_field(137, whole(1, 3)),
        "embed_param { num_output: 3 }",
    ),
}


@pytest.mark.smoke
@pytest.mark.parametrize("fork", FORKS)
def test_fields_of_forks_are_told_by_type_and_wire_type(fork, tmp_path):
    from google.protobuf import text_format

    kind, fields, same = FORKS[fork]
    path = tmp_path / "net.caffemodel"
    path.write_bytes(layer(kind, text(4, "y"), fields))
    found = read_net(path).message.layer[0]
    head = f'name: "a" type: "{kind}" top: "y" '
    assert found == text_format.Parse(head + same, LayerParameter())


@pytest.mark.parametrize("fork", FORKS)
def test_a_file_in_the_schemas_numbers_stays_as_it_is(fork):
    kind, fields, _ = FORKS[fork]
    once = in_own_numbers(layer(kind, fields))
    assert in_own_numbers(once) == once


REFUSED = {
    "a fork's field": (
        layer("ReLU", whole(145, 1)),
        "layer 'a' (ReLU): a layer has no field number 145.\n  It is forward_type of "
        "NVIDIA's fork (NVIDIA/caffe). Leave out all such fields by --lenient.",
    ),
    "one of two forks": (
        layer("Box", encode_field(155, b"")),
        "layer 'a' (Box): a layer has no field number 155.\n  It is "
        "spatial_dropout_param of Intel's fork (intel/caffe) or resample_param of "
        "FlowNet's fork (lmb-freiburg/flownet2). Leave out all such fields by "
        "--lenient.",
    ),
    "inside settings": (
        layer("ReLU", encode_field(123, whole(9, 1))),
        "layer 'a' (ReLU): relu_param has no field number 9.\n  A fork of Caffe may "
        "have added it. Leave out all such fields by --lenient.",
    ),
    "another wire type": (
        layer("ReLU", encode_field(123, whole(1, 1))),
        "layer 'a' (ReLU): relu_param has no field number 1.\n  A fork of Caffe may "
        "have added it. Leave out all such fields by --lenient.",
    ),
    "of the net": (
        layer("ReLU") + whole(11, 1),
        "a net has no field number 11.\n  A fork of Caffe may have added it. Leave out "
        "all such fields by --lenient.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_unknown_fields_are_refused_or_left_out(case, tmp_path):
    data, expected = REFUSED[case]
    path = tmp_path / "net.caffemodel"
    path.write_bytes(data * 2)  # twice: a kind of fault is told once
    with pytest.raises(SpecError) as refused:
        read_net(path)
    assert str(refused.value) == f"{path}: {expected}"
    with pytest.warns(SpecWarning) as caught:
        found = read_net(path, lenient=True)
    left = expected.replace("Leave out all such fields by --lenient", "It is left out")
    assert [str(each.message) for each in caught] == [f"{path}: {left}"]
    assert found.lenient
    assert len(found.message.layer) == 2


def test_weights_are_kept_when_fields_move(tmp_path):
    net = NetParameter()
    net.layer.add(name="b", type="Interp").blobs.add().data.extend([1, 2, 3])
    net.layer[0].interp_param.zoom_factor = 5
    path = tmp_path / "net.caffemodel"
    path.write_bytes(net.SerializeToString() + layer("Interp", encode_field(143, b"")))
    found = read_net(path, weights=True).message
    assert list(found.layer[0].blobs[0].data) == [1, 2, 3]
    assert found.layer[0].interp_param.zoom_factor == 5
    assert found.layer[1].HasField("interp_param")


def test_real_models_of_forks(shared_data):
    """Some were written by forks, and hold fields that only those know."""
    foreign = {
        "det1": "layer 'loss1' (SoftmaxWithLoss): softmax_param",
        "det2": "layer 'loss3' (EuclideanLoss): loss_param",
        "det3": "layer 'loss2' (EuclideanLoss): loss_param",
        "yufacedetectnet-open-v1": "layer 'data' (AnnotatedData): a layer has no field",
    }
    models = sorted((shared_data / "models").rglob("*.caffemodel"))
    assert models
    for path in models:
        if path.stem not in foreign:
            assert read_net(path).message.layer, path
            continue
        with pytest.raises(SpecError) as refused:
            read_net(path)
        assert foreign[path.stem] in str(refused.value)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SpecWarning)
            assert read_net(path, lenient=True).message.layer
