"""The part of a net that computes its scores: found, cut out, or asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec.errors import NetspecError
from netspec.evaluate.cut import cut, in_test_phase
from netspec.evaluate.scores import score_cut
from netspec.files import find
from netspec.spec import parse_net, read_net
from tests.evaluate.small import (
    BODY,
    LOSS,
    PROB,
    deploy,
    encoded_lmdb,
    pictures,
    train_val,
)


def layers(made) -> list[str]:
    return [layer.name for layer in made.net.message.layer]


ALL = ["data", "conv", "relu", "pool", "fc1", "relu1", "drop", "fc2"]


def test_losses_and_labels_are_left_out(tmp_path: Path) -> None:
    source = encoded_lmdb(tmp_path / "db", pictures())
    made = score_cut(in_test_phase(parse_net(train_val(source))))
    assert layers(made) == ALL
    assert made.blobs == ("fc2",)
    assert (made.input, made.shape) == ("data", (3, 12, 12))
    assert made.source.data_param.batch_size == 2  # TEST's layer
    assert made.net.message.layer[0].type == "Input"
    assert not made.net.message.layer[0].include


def test_a_deploy_net_is_cut_before_its_softmax() -> None:
    made = score_cut(in_test_phase(parse_net(deploy())))
    assert layers(made) == ALL
    assert made.shape == (3, 12, 10)


def test_a_softmax_in_place_is_no_part_of_the_scores() -> None:
    end = 'layer { name: "prob" type: "Softmax" bottom: "fc2" top: "fc2" }'
    assert layers(score_cut(in_test_phase(parse_net(deploy(end=end))))) == ALL


def test_a_net_that_ends_in_scores_needs_no_softmax() -> None:
    assert layers(score_cut(in_test_phase(parse_net(deploy(end=""))))) == ALL


def test_accuracy_of_probabilities_does_not_make_them_scores(tmp_path: Path) -> None:
    text = train_val(encoded_lmdb(tmp_path / "db", pictures()))
    text = text.replace(LOSS, PROB + LOSS.replace('"fc2" bottom: "label"', PROBABLE, 1))
    assert score_cut(in_test_phase(parse_net(text))).blobs == ("fc2",)


PROBABLE = '"prob" bottom: "label"'


def test_a_blob_in_the_middle_with_what_works_on_it_in_place() -> None:
    made = cut(in_test_phase(parse_net(deploy())), ["conv", "pool"])
    assert layers(made) == ALL[:4]
    assert layers(cut(in_test_phase(parse_net(deploy())), ["conv"])) == ALL[:3]


def test_places_are_kept() -> None:
    net = in_test_phase(parse_net(deploy(BODY.replace("num_output: 7", "")), "n.txt"))
    with pytest.raises(NetspecError, match=r"n.txt:\d+:\d+: layer 'fc2'"):
        score_cut(net)


def test_the_published_nets_are_cut() -> None:
    for name, scores in {
        "vgg16_deploy": "fc8", "vgg16_train_val": "fc8", "alexnet_train_val": "fc8",
        "resnet50_train_val": "fc1000", "lenet_deploy": "ip2",
        "googlenet_deploy": "loss3/classifier", "cifar10_quick_deploy": "ip2",
    }.items():  # fmt: skip
        net = in_test_phase(read_net(find(f"models/{name}.prototxt")))
        assert score_cut(net).blobs == (scores,)


def errors() -> dict[str, tuple[str, str, str]]:
    two = deploy(end="") + LOSS.replace("include { phase: TEST }", "")
    return {
        "no such blob": (
            deploy(), "fc3", "the net has no blob 'fc3'.\n  Did you mean 'fc2'?"
        ),
        "a layer's name": (
            deploy(), "relu1",
            "the net has no blob 'relu1'.\n  The layer of that name makes 'fc1'.",
        ),
        "several scores": (
            deploy(end="")
            + 'layer { name: "p1" type: "Softmax" bottom: "fc1" top: "p1" }'
            + 'layer { name: "p2" type: "Softmax" bottom: "fc2" top: "p2" }',
            "",
            "the scores of the classes may be any of 2 blobs ('fc1', 'fc2').\n"
            "  Name one with --scores.",
        ),
        "no scores": (
            deploy(end='layer { name: "s" type: "Sigmoid" bottom: "fc2" top: "s" }'),
            "",
            "the scores of the classes may be any of 0 blobs (none).\n"
            "  Name one with --scores.",
        ),
        "two inputs": (
            two.replace('layer { name: "data"', 'layer { name: "truth" type: "Input" '
                     'top: "label" input_param { shape { dim: 4 } } }\n'
                     'layer { name: "data"', 1),
            "loss",
            "'loss' depends on 2 inputs ('truth', 'data').\n"
            "  A net that looks at pictures has one.",
        ),
        "no picture": (
            'name: "x" layer { name: "in" type: "Input" top: "in" input_param { shape '
            '{ dim: 2 dim: 9 } } } layer { name: "f" type: "InnerProduct" bottom: "in" '
            'top: "f" inner_product_param { num_output: 4 } }',
            "f",
            "input 'in' has shape 2x9.\n  Pictures are N x C x H x W.",
        ),
    }  # fmt: skip


@pytest.mark.parametrize("case", errors())
def test_errors(case: str) -> None:
    text, blob, expected = errors()[case]
    with pytest.raises(NetspecError) as caught:
        score_cut(in_test_phase(parse_net(text)), blob)
    assert str(caught.value) == expected
