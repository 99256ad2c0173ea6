from __future__ import annotations

import pytest

from netspec.errors import SpecError
from netspec.solver.check import check_solver
from netspec.spec import parse_solver

GOOD = 'net: "n.prototxt"\nbase_lr: 0.1\n'

TABLE = {
    "missing policy": (
        GOOD,
        "s.prototxt: the solver has no lr_policy.\n"
        "  Give one of: exp, fixed, inv, multistep, plateau, poly, sigmoid, step.",
    ),
    "unknown policy": (
        GOOD + 'lr_policy: "steps"',
        "s.prototxt:3:1: unknown lr_policy 'steps'.\n  Did you mean 'step'?",
    ),
    "missing stepsize": (
        GOOD + 'lr_policy: "step" gamma: 0.1',
        "s.prototxt:3:1: lr_policy 'step' needs stepsize, which is not given.\n"
        "  Add it; its formula uses base_lr, gamma, stepsize.",
    ),
    "missing base_lr": (
        'net: "n.prototxt"\nlr_policy: "fixed"',
        "s.prototxt:2:1: lr_policy 'fixed' needs base_lr, which is not given.\n"
        "  Add it; its formula uses base_lr.",
    ),
    "stepsize 0": (
        GOOD + 'lr_policy: "step" gamma: 0.1\nstepsize: 0',
        "s.prototxt:4:1: lr_policy 'step' takes a stepsize above 0; it is 0.\n"
        "  Give a number of iterations.",
    ),
    "negative gamma": (
        GOOD + 'lr_policy: "sigmoid" stepsize: 5\n gamma: -0.5',
        "s.prototxt:4:2: lr_policy 'sigmoid' takes a gamma of at least 0; it is -0.5.\n"
        "  Give the factor or slope as a positive number.",
    ),
    "unknown type": (
        GOOD + 'lr_policy: "fixed"\ntype: "Adagrad"',
        "s.prototxt:4:1: unknown solver type 'Adagrad'.\n  Did you mean 'AdaGrad'?",
    ),
    "momentum in AdaGrad": (
        GOOD + 'lr_policy: "fixed" type: "AdaGrad"\nmomentum: 0.5',
        "s.prototxt:4:1: solver type 'AdaGrad' has no momentum; it is 0.5.\n"
        "  Remove it, or choose a type with momentum.",
    ),
    "rms_decay 1": (
        GOOD + 'lr_policy: "fixed" type: "RMSProp"\nrms_decay: 1',
        "s.prototxt:4:1: solver type 'RMSProp' takes a rms_decay from 0 to below 1; it "
        "is 1.\n  It is the share that a running mean keeps.",
    ),
    "momentum2 1": (
        GOOD + 'lr_policy: "fixed" type: "Adam"\nmomentum2: 1',
        "s.prototxt:4:1: solver type 'Adam' takes a momentum2 from 0 to below 1; it is "
        "1.\n  It is the share that a running mean keeps.",
    ),
    "unknown regularization": (
        GOOD + 'lr_policy: "fixed"\nregularization_type: "l2"',
        "s.prototxt:4:1: unknown regularization_type 'l2'.\n  Did you mean 'L2'?",
    ),
    "iter_size 0": (
        GOOD + 'lr_policy: "fixed"\niter_size: 0',
        "s.prototxt:4:1: iter_size is 0.\n  It is at least 1.",
    ),
    "shards 6": (
        GOOD + 'lr_policy: "fixed"\nshards: 6',
        "s.prototxt:4:1: shards is 6, which is no power of two.\n"
        "  Give 1, 2, 4, 8 ..., or 0 for the default.",
    ),
    "no net": (
        'base_lr: 0.1 lr_policy: "fixed"',
        "s.prototxt: the solver names no net.\n"
        "  Give one of: net, net_param, train_net, train_net_param.",
    ),
    "two nets": (
        GOOD + 'lr_policy: "fixed"\ntrain_net: "m.prototxt"',
        "s.prototxt:4:1: both net and train_net are given.\n"
        "  Exactly one of them makes the training net.",
    ),
    "test_iter for another number of nets": (
        'train_net: "n" base_lr: 0.1 lr_policy: "fixed"\n'
        'test_net: "a" test_net: "b" test_interval: 5\ntest_iter: 3',
        "s.prototxt:3:1: 2 test nets are named, and test_iter is given 1 times.\n"
        "  Give it once for each test net, or not at all: then every test sees the "
        "whole set once.",
    ),
    "test_iter without test_interval": (
        GOOD + 'lr_policy: "fixed"\ntest_iter: 3',
        "s.prototxt:4:1: test_iter is given, and test_interval is not.\n"
        "  Add test_interval, the number of iterations between tests.",
    ),
    "test_iter 0": (
        GOOD + 'lr_policy: "fixed" test_interval: 2\ntest_iter: 4 test_iter: 0',
        "s.prototxt:4:14: test_iter is 0.\n"
        "  Give a number of batches, or leave test_iter out to see the whole set once.",
    ),
    "snapshot_diff": (
        GOOD + 'lr_policy: "fixed"\nsnapshot_diff: true',
        "s.prototxt:4:1: snapshots do not hold gradients.\n"
        "  Remove snapshot_diff; nothing that netspec or Caffe does reads them.",
    ),
}


@pytest.mark.smoke
@pytest.mark.parametrize("case", TABLE)
def test_faults_are_located_and_explained(case):
    text, expected = TABLE[case]
    with pytest.raises(SpecError) as caught:
        check_solver(parse_solver(text, "s.prototxt"))
    assert str(caught.value) == expected


def test_type_and_solver_type_together_are_refused():
    text = GOOD + 'lr_policy: "fixed" type: "SGD"\nsolver_type: ADAM'
    with pytest.raises(SpecError, match=r"s.prototxt:4:1: both type and the old"):
        check_solver(parse_solver(text, "s.prototxt"))


@pytest.mark.parametrize(
    "rest",
    [
        'lr_policy: "fixed"',
        'lr_policy: "plateau" test_interval: 10',
        'lr_policy: "poly" power: 1 max_iter: 5 type: "RMSProp"',
        'lr_policy: "fixed" test_interval: 3 test_iter: 1 test_iter: 2',
        'lr_policy: "fixed" test_net: "a" test_interval: 3 test_iter: 1 test_iter: 2',
        'lr_policy: "fixed" solver_type: NESTEROV momentum: 0.9 shards: 4',
    ],
)
def test_good_files_pass(rest):
    check_solver(parse_solver(GOOD + rest, "s.prototxt"))


def test_every_solver_of_caffe_passes(shared_data):
    from netspec.spec import read_solver

    files = sorted((shared_data / "prototxt" / "bvlc_all").glob("*solver*.prototxt"))
    assert len(files) > 10
    for file in files:
        check_solver(read_solver(file))
