"""The net that is used, from the net that is trained."""

from __future__ import annotations

import pytest

from netspec.convert.deploy import deploy
from netspec.data.rescale import Resize
from netspec.errors import SpecError
from netspec.proto import LayerParameter
from netspec.spec import parse_net, read_net
from tests.models.helpers import MODELS, NAMES

DATA = """
layer { name: "data" type: "Data" top: "data" top: "label"
  transform_param { crop_size: 9 mean_value: 103.939 mean_value: 7 mean_value: 8
                    scale: 0.25 }
  data_param { source: "no/such" batch_size: 5 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  param { lr_mult: 2 } convolution_param { num_output: 4 kernel_size: 3
  weight_filler { type: "xavier" } } }
"""
LOSS = (
    'layer {{ name: "{0}" type: "{1}" bottom: "{2}" bottom: "label" top: "{0}" {3} }}\n'
)


def layers(text: str, **options) -> list[LayerParameter]:
    return list(deploy(parse_net(text), **options).net.message.layer)


def plain(layer: LayerParameter) -> bytes:
    """A layer as the published files write it, without what says the default."""
    geometry = layer.convolution_param
    for name, default in (("pad", [0]), ("stride", [1])):
        if list(getattr(geometry, name)) == default:
            geometry.ClearField(name)
    if layer.type == "BatchNorm":
        layer.ClearField("batch_norm_param")  # use_global_stats is TEST's default
    return layer.SerializeToString()


@pytest.mark.parametrize("name", NAMES)
def test_a_train_val_net_becomes_the_published_deploy_net(name: str) -> None:
    published = read_net(MODELS / f"{name}_deploy.prototxt").message
    shape = tuple(published.layer[0].input_param.shape[0].dim)
    source = read_net(MODELS / f"{name}_train_val.prototxt")
    found = deploy(source, batch=shape[0], shapes={"data": shape}).net.message
    assert [x.name for x in found.layer] == [x.name for x in published.layer]
    for ours, theirs in zip(found.layer, published.layer):
        assert plain(ours) == plain(theirs), ours.name


def test_what_was_done_is_said() -> None:
    notes = deploy(
        parse_net(DATA + LOSS.format("loss", "SoftmaxWithLoss", "conv", ""))
    ).notes
    assert notes == (
        "data layer 'data' (Data) is now an Input.",
        "loss 'loss' gives way to 'prob' (Softmax).",
    )


def test_the_preprocessing_of_the_data_layer_is_kept() -> None:
    known = deploy(parse_net(DATA)).preprocess
    assert known is not None
    assert (known.channels, known.mean) == ("bgr", (103.939, 7, 8))
    assert (known.scale, known.crop) == ((0.25,), (9, 9))


def test_a_mean_image_that_is_not_at_hand_is_no_error() -> None:
    text = DATA.replace(
        "mean_value: 103.939 mean_value: 7 mean_value: 8", 'mean_file: "no"'
    )
    found = deploy(parse_net(text))
    assert found.preprocess is None
    assert "not carried along" in " ".join(found.notes)


@pytest.mark.parametrize(
    ("loss", "kinds"),
    [
        ("SoftmaxWithLoss", ["Input", "Convolution", "Softmax"]),
        ("SigmoidCrossEntropyLoss", ["Input", "Convolution", "Sigmoid"]),
        ("EuclideanLoss", ["Input", "Convolution"]),
        ("HingeLoss", ["Input", "Convolution"]),
        ("MultinomialLogisticLoss", ["Input", "Convolution"]),
    ],
)
def test_losses_give_way_to_predictions(loss: str, kinds: list[str]) -> None:
    found = layers(DATA + LOSS.format("loss", loss, "conv", ""))
    assert [x.type for x in found] == kinds


def test_the_label_goes_and_what_only_prepares_it() -> None:
    text = DATA + (
        'layer { name: "half" type: "Power" bottom: "label" top: "half" }'
        'layer { name: "loss" type: "EuclideanLoss" bottom: "conv" bottom: "half" '
        'top: "loss" }'
    )
    found = layers(text)
    assert [x.name for x in found] == ["data", "conv"]
    assert list(found[0].top) == ["data"]


def test_an_auxiliary_classifier_goes() -> None:
    text = (
        DATA
        + LOSS.format("aux", "SoftmaxWithLoss", "conv", "loss_weight: 0.3")
        + 'layer { name: "relu" type: "ReLU" bottom: "conv" top: "relu" }'
        + LOSS.format("loss", "SoftmaxWithLoss", "relu", "")
    )
    assert [x.name for x in layers(text)] == ["data", "conv", "relu", "prob"]


def test_losses_on_other_labels_all_stay() -> None:
    text = (
        DATA.replace('top: "label"', 'top: "label" top: "box"', 1).replace(
            'type: "Data"', 'type: "HDF5Data"'
        )
        + LOSS.format("loss", "SoftmaxWithLoss", "conv", "")
        + 'layer { name: "l2" type: "EuclideanLoss" bottom: "conv" bottom: "box" '
        'top: "l2" loss_weight: 0.1 }'
    )
    text = text.replace("data_param", "hdf5_data_param")
    found = layers(text, shapes={"data": (1, 3, 9, 9)})
    assert [x.name for x in found] == ["data", "conv", "prob"]


def test_training_settings_go() -> None:
    _, conv = layers(DATA)
    assert not conv.param
    assert not conv.convolution_param.HasField("weight_filler")


def test_names_of_shared_parameters_stay() -> None:
    text = DATA.replace("param { lr_mult: 2 }", 'param { name: "w" lr_mult: 2 }')
    _, conv = layers(text)
    assert [p.name for p in conv.param] == ["w"]
    assert not conv.param[0].HasField("lr_mult")


def test_a_deployed_net_stays_as_it_is_but_for_the_batch() -> None:
    net = read_net(MODELS / "alexnet_deploy.prototxt")
    same = deploy(net).net.message
    assert [x.SerializeToString() for x in same.layer] == [
        x.SerializeToString() for x in net.message.layer
    ]
    (first, *_) = deploy(net, batch=3).net.message.layer
    assert first.input_param.shape[0].dim[0] == 3


def test_constant_dummy_data_is_part_of_the_net() -> None:
    text = (
        'layer { name: "d" type: "DummyData" top: "one" dummy_data_param {'
        " shape { dim: 2 dim: 3 } data_filler { value: 1.5 } } }"
        'layer { name: "x" type: "DummyData" top: "x" dummy_data_param {'
        ' shape { dim: 2 dim: 3 } data_filler { type: "gaussian" } } }'
        'layer { name: "s" type: "Eltwise" bottom: "one" bottom: "x" top: "s" }'
    )
    assert [x.type for x in layers(text)] == ["DummyData", "Input", "Eltwise"]


def test_a_detector_keeps_what_is_judged_and_loses_the_judge() -> None:
    text = (
        'layer { name: "d" type: "AnnotatedData" top: "x" top: "boxes" data_param {'
        ' source: "no/such" batch_size: 4 } transform_param { mean_value: 104'
        " resize_param { height: 12 width: 14 } } }"
        'layer { name: "loc" type: "InnerProduct" bottom: "x" top: "loc"'
        " inner_product_param { num_output: 16 } }"
        'layer { name: "conf" type: "InnerProduct" bottom: "x" top: "conf"'
        " inner_product_param { num_output: 8 } }"
        'layer { name: "p" type: "PriorBox" bottom: "x" bottom: "x" top: "p"'
        " prior_box_param { min_size: 4 step: 24 } }"
        'layer { name: "out" type: "DetectionOutput" bottom: "loc" bottom: "conf"'
        ' bottom: "p" top: "out" detection_output_param { num_classes: 2 } }'
        'layer { name: "judge" type: "DetectionEvaluate" bottom: "out" bottom: "boxes"'
        ' top: "judge" detection_evaluate_param { num_classes: 2 } }'
    )
    deployed = deploy(parse_net(text, "net.prototxt"))
    made = deployed.net.message.layer
    assert [x.type for x in made] == [
        "Input", "InnerProduct", "InnerProduct", "PriorBox", "DetectionOutput",
    ]  # fmt: skip
    assert deployed.preprocess is not None
    assert deployed.preprocess.mean == (104,)
    assert deployed.preprocess.resize == Resize("squash", (12, 14))
    assert list(made[0].top) == ["x"]


ERRORS = [
    (
        'layer { name: "d" type: "Data" top: "data" data_param { source: "no/such"'
        ' batch_size: 2 } } layer { name: "r" type: "ReLU" bottom: "data" top: "y" }',
        "layer 'd' (Data): the records of 'no/such' decide the size of its tops.\n"
        "  Make the source available, or set transform_param.crop_size. Or give "
        "--input data=3,224,224.",
    ),
    (
        DATA.split('layer { name: "conv"')[0],
        "net.prototxt: nothing is left of this net: it has no layer that leads from "
        "its data to a prediction.\n  Name the net that is trained.",
    ),
]


@pytest.mark.parametrize(("text", "expected"), ERRORS)
def test_errors(text: str, expected: str) -> None:
    with pytest.raises(SpecError) as caught:
        deploy(parse_net(text, "net.prototxt"))
    assert str(caught.value) == expected
