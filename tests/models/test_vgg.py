"""Networks A to E against the paper, written out here a second time."""

from __future__ import annotations

from itertools import pairwise

import pytest

from netspec.proto import TEST, TRAIN, LayerParameter, NetParameter
from netspec.spec import filter_net, read_net

from .helpers import MODELS, VGG, net, solver

PHASES = (TRAIN, TEST)

# Table 1: kernel size and channels of each convolution; P is a pooling, N the LRN.
COLUMNS = {
    "vgg11": "3x64 P 3x128 P 3x256 3x256 P 3x512 3x512 P 3x512 3x512 P",
    "vgg11_lrn": "3x64 N P 3x128 P 3x256 3x256 P 3x512 3x512 P 3x512 3x512 P",
    "vgg13": ("3x64 3x64 P 3x128 3x128 P 3x256 3x256 P 3x512 3x512 P 3x512 3x512 P"),
    "vgg16_1x1": (
        "3x64 3x64 P 3x128 3x128 P 3x256 3x256 1x256 P 3x512 3x512 1x512 P "
        "3x512 3x512 1x512 P"
    ),
    "vgg16": (
        "3x64 3x64 P 3x128 3x128 P 3x256 3x256 3x256 P 3x512 3x512 3x512 P "
        "3x512 3x512 3x512 P"
    ),
    "vgg19": (
        "3x64 3x64 P 3x128 3x128 P 3x256 3x256 3x256 3x256 P "
        "3x512 3x512 3x512 3x512 P 3x512 3x512 3x512 3x512 P"
    ),
}


def column(message: NetParameter) -> str:
    """The convolutions, poolings and normalisations of a net, in table 1's order."""
    marks = {"Pooling": "P", "LRN": "N"}
    words = []
    for layer in message.layer:
        if layer.type == "Convolution":
            geometry = layer.convolution_param
            words.append(f"{geometry.kernel_size[0]}x{geometry.num_output}")
        elif layer.type in marks:
            words.append(marks[layer.type])
    return " ".join(words)


@pytest.mark.smoke
@pytest.mark.parametrize("name", VGG)
def test_the_convolutions_are_those_of_the_table(name: str) -> None:
    assert column(net(name, "train_val")) == COLUMNS[name]
    assert column(net(name, "deploy")) == COLUMNS[name]


@pytest.mark.parametrize("name", VGG)
def test_every_convolution_keeps_the_size_and_has_a_relu(name: str) -> None:
    layers = list(net(name, "train_val").layer)
    for layer, after in pairwise(layers):
        if layer.type != "Convolution":
            continue
        geometry = layer.convolution_param
        assert sum(geometry.pad) == (geometry.kernel_size[0] - 1) // 2
        assert list(geometry.stride) in ([], [1])
        assert (after.type, list(after.bottom)) == ("ReLU", [layer.name])


@pytest.mark.parametrize("name", VGG)
def test_the_poolings_halve(name: str) -> None:
    for layer in net(name, "deploy").layer:
        if layer.type == "Pooling":
            window = layer.pooling_param
            assert (window.kernel_size, window.stride) == (2, 2)
            assert window.pool == window.MAX


@pytest.mark.parametrize("name", VGG)
def test_the_classifier_is_the_papers(name: str) -> None:
    layers = {layer.name: layer for layer in net(name, "train_val").layer}
    outputs = [
        layers[fc].inner_product_param.num_output for fc in ("fc6", "fc7", "fc8")
    ]
    assert outputs == [4096, 4096, 1000]
    for dropout in ("drop6", "drop7"):
        assert layers[dropout].dropout_param.dropout_ratio == 0.5


def test_the_normalisation_is_krizhevskys_formula() -> None:
    """b = a / (2 + 1e-4 * sum of 5 squares) ^ 0.75; Caffe divides alpha by 5."""
    (lrn,) = (
        layer for layer in net("vgg11_lrn", "deploy").layer if layer.type == "LRN"
    )
    constants = lrn.lrn_param
    assert constants.alpha / constants.local_size == pytest.approx(1e-4)
    assert (constants.k, constants.local_size, constants.beta) == (2, 5, 0.75)


@pytest.mark.parametrize("name", VGG)
def test_the_data_is_cropped_mirrored_and_centred(name: str) -> None:
    train, test = data_layers(name)
    for data in (train, test):
        assert data.transform_param.crop_size == 224
        assert data.transform_param.short_side == 256
        assert data.transform_param.force_color
        means = list(data.transform_param.mean_value)
        assert means == pytest.approx([103.939, 116.779, 123.68])
    assert train.transform_param.mirror
    assert not test.transform_param.mirror
    assert train.transform_param.color_shift_std == pytest.approx(0.1)
    assert not test.transform_param.HasField("color_shift_std")
    assert (train.data_param.batch_size, test.data_param.batch_size) == (256, 50)
    assert train.data_param.shuffle


def data_layers(name: str, stage: str = "") -> list[LayerParameter]:
    """The Data layers of TRAIN and of TEST, in a stage."""
    spec = read_net(MODELS / f"{name}_train_val.prototxt")
    parts = [filter_net(spec, phase, 0, (stage,) * bool(stage)) for phase in PHASES]
    return [x for part in parts for x in part.message.layer if x.type == "Data"]


SCALES = {"s384": ((384, 384), 384, ""), "jitter": ((256, 512), 384, "_s384")}


@pytest.mark.parametrize("name", ["vgg16_1x1", "vgg16", "vgg19"])
@pytest.mark.parametrize("stage", SCALES)
def test_other_scales_go_on_from_one_another(name: str, stage: str) -> None:
    """Sections 3.1 and 4: Q is S, or the middle of its range; the rate is a tenth."""
    sides, q, before = SCALES[stage]
    train, test = data_layers(name, stage)
    found = train.transform_param
    least, most = found.short_side_min, found.short_side_max
    fixed = found.short_side
    assert (fixed or least, fixed or most) == sides
    assert test.transform_param.short_side == q
    for data, plain in zip((train, test), data_layers(name), strict=True):
        for field in ("short_side", "short_side_min", "short_side_max"):
            data.transform_param.ClearField(field)
            plain.transform_param.ClearField(field)
        assert data.transform_param == plain.transform_param
        assert data.data_param == plain.data_param
    fine, first = solver(f"{name}_{stage}"), solver(name)
    assert list(fine.weights) == [f"snapshots/{name}{before}_best.caffemodel"]
    assert list(fine.train_state.stage) == list(fine.test_state[0].stage) == [stage]
    assert fine.snapshot_prefix == f"snapshots/{name}_{stage}"
    assert fine.base_lr == pytest.approx(1e-3)
    last = fine.base_lr * fine.gamma**fine.plateau_drops
    assert last == pytest.approx(first.base_lr * first.gamma**first.plateau_drops)
    differing = ("weights", "train_state", "test_state", "snapshot_prefix", "base_lr",
                 "plateau_drops", "test_initialization")  # fmt: skip
    for message in (fine, first):
        for field in differing:
            message.ClearField(field)
    assert fine == first


@pytest.mark.parametrize("name", ["vgg11", "vgg11_lrn", "vgg13"])
def test_the_shallow_nets_have_one_scale(name: str) -> None:
    assert len([x for x in net(name, "train_val").layer if x.type == "Data"]) == 2


@pytest.mark.parametrize("name", VGG)
def test_the_solver_is_section_3_1(name: str) -> None:
    message = solver(name)
    assert message.base_lr == pytest.approx(1e-2)
    assert message.momentum == pytest.approx(0.9)
    assert message.weight_decay == pytest.approx(5e-4)
    assert message.max_iter == 370_000
    assert message.lr_policy == "plateau"
    assert (message.gamma, message.plateau_drops) == (pytest.approx(0.1), 3)
    assert message.plateau_metric == "accuracy"
    assert message.test_iter[0] * 50 == 50_000


@pytest.mark.parametrize("name", VGG)
def test_first_weights_are_those_that_were_measured_to_train(name: str) -> None:
    for layer in net(name, "train_val").layer:
        for product in (layer.convolution_param, layer.inner_product_param):
            filler = product.weight_filler
            if not product.num_output:
                continue
            if name in ("vgg11", "vgg11_lrn"):
                assert filler.type == "gaussian"
                assert filler.std == pytest.approx(0.01)
            else:
                assert filler.type == "xavier"
                assert filler.variance_norm == filler.AVERAGE
            assert not product.HasField("bias_filler")  # Caffe's default: constant 0
