"""Lints: each finds its own habit, and good files have none."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec.spec import lint_net, lint_solver, parse_net, parse_solver, read_net
from netspec.spec import read_solver as read_solver_file

ROOT = Path(__file__).resolve().parents[2]

DATA = (
    'layer { name: "data" type: "Data" top: "data" top: "label" '
    'data_param { source: "d" batch_size: 50 } }\n'
)
SCORES = (
    'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" '
    'inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }\n'
)
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" }\n'


def lints(text, **more):
    return [str(lint) for lint in lint_net(parse_net(text, "n"), **more)]


def batch_norm(settings="", param=""):
    return (
        f'layer {{ name: "bn" type: "BatchNorm" bottom: "ip" top: "ip"\n{param}'
        f"\nbatch_norm_param {{ {settings} }} }}\n"
        'layer { name: "s" type: "Scale" bottom: "ip" top: "ip" }\n'
    )


@pytest.mark.smoke
def test_a_good_net_has_none():
    assert lints(DATA + SCORES + LOSS) == []
    assert lints(DATA + SCORES + batch_norm() + LOSS) == []


@pytest.mark.parametrize("field", ["scale_bias: true", "use_weight_bias: true"])
def test_batch_norm_with_scale_and_bias_inside(field):
    rates = "param { lr_mult: 0 } " * 3 + "param { lr_mult: 1 } param { lr_mult: 2 }"
    layer = batch_norm(field, rates).partition("\nlayer")[0] + "\n"
    assert lints(DATA + SCORES + layer + LOSS) == []


NETS = {
    "unread top": (
        DATA + SCORES + LOSS + 'layer { name: "x" type: "TanH" bottom: "ip" top: "x" }',
        ["n:4:45: layer 'x': top 'x' is read by no layer while training."],
    ),
    "no loss": (
        DATA.replace("data_param", "include { phase: TRAIN } data_param") + SCORES,
        ["n:1:1: layer 'data': the training net that this feeds has no loss."],
    ),
    "softmax twice": (
        DATA
        + SCORES
        + 'layer { name: "p" type: "Softmax" bottom: "ip" top: "p" }\n'
        + LOSS.replace('bottom: "ip"', 'bottom: "p"'),
        [
            "n:4:46: layer 'loss': SoftmaxWithLoss applies Softmax itself, so it is "
            "applied twice."
        ],
    ),
    "batch norm alone": (
        DATA
        + SCORES
        + 'layer { name: "bn" type: "BatchNorm" bottom: "ip" top: "b" }\n'
        + LOSS.replace('bottom: "ip"', 'bottom: "b"'),
        [
            "n:3:1: layer 'bn': no Scale layer follows: BatchNorm by itself learns "
            "neither scale nor shift (scale_param { bias_term: true } learns both)."
        ],
    ),
    "learned statistics": (
        DATA + SCORES + batch_norm(param="param { lr_mult: 1 }") + LOSS,
        [
            "n:4:9: layer 'bn': the blobs of BatchNorm are statistics: lr_mult must be "
            "0."
        ],
    ),
    "global statistics": (
        DATA + SCORES + batch_norm("use_global_stats: true") + LOSS,
        [
            "n:5:20: layer 'bn': use_global_stats: true holds while training too, so "
            "the batch's own statistics are never used nor stored; without the field "
            "the phase decides."
        ],
    ),
    "batch statistics": (
        DATA + SCORES + batch_norm("use_global_stats: false") + LOSS,
        [
            "n:5:20: layer 'bn': use_global_stats: false holds in TEST too, so a "
            "result depends on what else is in the batch; without the field the phase "
            "decides."
        ],
    ),
    "frozen but decaying": (
        DATA
        + SCORES
        + SCORES.replace('"ip"', '"ip2"').replace('"data"', '"ip"')
        + LOSS.replace('"ip"', '"ip2"').replace("}", "propagate_down: [0, 0] }"),
        [
            f"n:{line}:1: layer{who}: propagate_down stops the gradient, but weight "
            "decay still shrinks the weights; param { lr_mult: 0 } freezes them."
            for line, who in [(2, "s 'ip' and 'ip2'")]
        ],
    ),
    "same name": (
        DATA
        + SCORES
        + SCORES.replace('top: "ip"', 'top: "q"').replace('m: "data"', 'm: "ip"')
        + LOSS.replace('bottom: "ip"', 'bottom: "q"'),
        [
            "n:3:9: layer 'ip': an earlier layer has this name: both load the same "
            "weights."
        ],
    ),
    "zero weights": (
        DATA + SCORES.replace('type: "xavier"', "std: 0.01") + LOSS,
        [
            "n:2:102: layer 'ip': weights start at 0 unless they are loaded: there is "
            'no weight_filler with a type such as "xavier" or "msra".',
            "n:2:118: layer 'ip': weight_filler: a constant filler ignores std.",
        ],
    ),
    "another type's settings": (
        DATA + SCORES.replace("} } }", "} } pooling_param { pool: AVE } }") + LOSS,
        [
            "n:2:137: layer 'ip': pooling_param has no effect: a layer of type "
            "InnerProduct ignores it."
        ],
    ),
    "idle filler": (
        DATA + SCORES.replace('"xavier"', '"xavier" std: 0.1') + LOSS,
        ["n:2:133: layer 'ip': weight_filler: a xavier filler ignores std."],
    ),
    "misplaced transform": (
        DATA.replace("batch_size", "crop_size: 9 batch_size") + SCORES + LOSS,
        [
            "n:1:85: layer 'data': crop_size in data_param has no effect: put it into "
            "transform_param."
        ],
    ),
    "mirror in test": (
        DATA.replace("data_param", "transform_param { mirror: true } data_param")
        + SCORES
        + LOSS,
        ["n:1:78: layer 'data': mirror flips images at random in TEST as well."],
    ),
    "unlike phases": (
        DATA.replace(
            "data_param",
            "include { phase: TRAIN } transform_param { scale: 0.5 mean_value: [1, 2] }"
            "data_param",
        )
        + DATA.replace("data_param", "include { phase: TEST } data_param")
        + SCORES
        + LOSS,
        [
            "n:2:1: layer 'data': mean_value is [] in TEST and [1, 2] in TRAIN.",
            "n:2:1: layer 'data': scale is 1 in TEST and 0.5 in TRAIN.",
        ],
    ),
    "unlike sizes": (
        DATA.replace(
            "data_param",
            "include { phase: TRAIN } transform_param { short_side: 9 } data_param",
        )
        + DATA.replace("data_param", "include { phase: TEST } data_param")
        + SCORES
        + LOSS,
        [
            "n:2:1: layer 'data': TRAIN rescales its images by short_side, TEST takes "
            "them as is.",
        ],
    ),
}


@pytest.mark.parametrize("habit", NETS)
def test_lints_of_nets(habit):
    text, wanted = NETS[habit]
    assert lints(text) == wanted


def test_many_layers_make_one_lint():
    text = DATA + SCORES
    for i in range(5):
        text += f'layer {{ name: "b{i}" type: "BatchNorm" bottom: "ip" top: "ip" }}\n'
    (found,) = lints(text + LOSS)
    assert found.startswith("n:3:1: layers 'b0', 'b1' and 3 more: no Scale layer")


def test_test_passes():
    solver = parse_solver("net: 'n'\ntest_iter: 100\ntest_interval: 5", "s")
    net = parse_net(DATA + SCORES + LOSS, "n")
    assert lint_net(net, solver, 5000) == []
    assert lint_net(net, solver) == []
    (found,) = lint_net(net, solver, 10_000)
    assert str(found) == (
        "s:2:1: test_iter 100 x batch 50 is 5,000 images, the test data has 10,000; "
        "test_iter: 200 is one pass."
    )
    (found,) = lint_net(net, solver, 10_010)
    assert found.text.endswith("the test data has 10,010.")


SOLVERS = {
    "base_lr: 1 lr_policy: 'fixed'": [],
    "base_lr: 1 lr_policy: 'step' gamma: 0.1 stepsize: 10 max_iter: 20": [],
    "base_lr: 1 lr_policy: 'inv' gamma: 0.1 power: 2": [],
    "base_lr: 1 lr_policy: 'multistep' gamma: 0.1 stepvalue: 5\nstepsize: 3": [
        "s:2:1: lr_policy 'multistep' ignores stepsize."
    ],
    "base_lr: 1\nlr_policy: 'step'": [
        "s:2:1: lr_policy 'step' needs gamma, which is not given.",
        "s:2:1: lr_policy 'step' needs stepsize, which is not given.",
    ],
    "lr_policy: 'fixed'": ["s: base_lr is not given, so the rate is 0."],
    "base_lr: 1 lr_policy: 'fixed'\nmomentum2: 0.9\ndelta: 1": [
        "s:2:1: a solver of type SGD ignores momentum2.",
        "s:3:1: a solver of type SGD ignores delta.",
    ],
    "base_lr: 1 lr_policy: 'multistep' gamma: 1 max_iter: 9\nstepvalue: [3, 9]": [
        "s:2:16: stepvalue 9 is never reached: max_iter is 9."
    ],
    "base_lr: 1 lr_policy: 'fixed' test_iter: 3": [
        "s:1:31: test_iter is given, but test_interval is not: nothing is tested."
    ],
    "base_lr: 1 lr_policy: 'plateau' gamma: 0.1": [
        "s:1:12: lr_policy goes by the tests, and test_interval is not given."
    ],
    "base_lr: 1 lr_policy: 'fixed' plateau_patience: 3": [
        "s:1:31: lr_policy 'fixed' ignores plateau_patience."
    ],
}


@pytest.mark.parametrize("text", SOLVERS)
def test_lints_of_solvers(text):
    assert [str(lint) for lint in lint_solver(parse_solver(text, "s"))] == SOLVERS[text]


def test_the_models_shipped_have_none():
    for path in sorted((ROOT / "models").rglob("*.prototxt")):
        if "solver" in path.name:
            found = lint_solver(read_solver_file(path))
        else:
            found = lint_net(read_net(path))
        assert found == [], path.name


def test_caffes_own_files_have_few(shared_data):
    found = {}
    for path in sorted((shared_data / "prototxt" / "bvlc_all").glob("*.prototxt")):
        if "solver" not in path.name:
            texts = [lint.text for lint in lint_net(read_net(path))]
            found |= {path.stem.split("__")[-1]: texts} if texts else {}
    assert {name: len(texts) for name, texts in found.items()} == {
        "cifar10_full_sigmoid_train_test_bn": 1,  # BatchNorm without Scale
        "deploy": 1,  # GoogLeNet's xavier with std
        "imagenet_val": 1,  # no fillers: meant for loaded weights
        "pascal_finetune_trainval_test": 1,  # mirror in TEST
    }
