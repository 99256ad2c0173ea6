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
        "  Give one of: cosine, exp, fixed, inv, multistep, plateau, poly, "
        "sigmoid, step.",
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
    "momentum 1 in AdamW": (
        GOOD + 'lr_policy: "fixed" type: "AdamW"\nmomentum: 1',
        "s.prototxt:4:1: solver type 'AdamW' takes a momentum from 0 to below 1; it is "
        "1.\n  It is the share that a running mean keeps.",
    ),
    "cosine without max_iter": (
        GOOD + 'lr_policy: "cosine"',
        "s.prototxt:3:1: lr_policy 'cosine' needs max_iter, which is not given.\n"
        "  Add it; its formula uses base_lr, max_iter.",
    ),
    "cosine to 0": (
        GOOD + 'lr_policy: "cosine"\nmax_iter: 0',
        "s.prototxt:4:1: lr_policy 'cosine' takes a max_iter above 0; it is 0.\n"
        "  Give a number of iterations.",
    ),
    "negative warm-up": (
        GOOD + 'lr_policy: "fixed"\nwarmup_iter: -3',
        "s.prototxt:4:1: warmup_iter is -3.\n  It is at least 0.",
    ),
    "NVIDIA's warm-up": (
        GOOD + 'lr_policy: "fixed" rampup_interval: 3\nrampup_lr: -0.5',
        "s.prototxt:4:1: warmup_start_lr is -0.5.\n  It is at least 0.",
    ),
    "no warm-up to start": (
        GOOD + 'lr_policy: "fixed"\nwarmup_start_lr: 0.01',
        "s.prototxt:4:1: warmup_start_lr is given, and warmup_iter is not.\n"
        "  Add warmup_iter, the number of iterations from there to base_lr.",
    ),
    "min_lr not a number": (
        GOOD + 'lr_policy: "cosine" max_iter: 9\nmin_lr: nan',
        "s.prototxt:4:1: min_lr is nan.\n  It is at least 0.",
    ),
    "min_lr ignored": (
        GOOD + 'lr_policy: "exp" gamma: 0.9\nmin_lr: 0.01',
        "s.prototxt:4:1: lr_policy 'exp' does not end at a min_lr.\n"
        "  Remove it, or choose cosine or poly.",
    ),
    "LARS's constant ignored": (
        GOOD + 'lr_policy: "fixed"\nlocal_gw_ratio: 0.01',
        "s.prototxt:4:1: solver type 'SGD' has no local_gw_ratio.\n"
        '  Remove it, or choose type: "LARS".',
    ),
    "LARS without trust": (
        GOOD + 'lr_policy: "fixed" type: "LARS"\nlocal_gw_ratio: 0',
        "s.prototxt:4:1: local_gw_ratio is 0.\n  It is above 0; the paper's is 0.001.",
    ),
    "LARS with L1": (
        GOOD + 'lr_policy: "fixed" local_lr_auto: true\nregularization_type: "L1"',
        "s.prototxt:4:1: solver type 'LARS' has no weight decay of type L1.\n"
        "  Choose L2: its rates follow from the weights' L2 norms.",
    ),
    "ema_decay 1": (
        GOOD + 'lr_policy: "fixed"\nema_decay: 1',
        "s.prototxt:4:1: ema_decay is 1.\n"
        "  It is from 0 to below 1, such as 0.999; 0 keeps no mean of the weights.",
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
        'lr_policy: "cosine" max_iter: 9 min_lr: 0.01 warmup_iter: 3 type: "AdamW"',
        'lr_policy: "poly" power: 2 max_iter: 9 min_lr: 0.01 rampup_interval: 3',
        'lr_policy: "fixed" type: "LARS" local_gw_ratio: 0.01 ema_decay: 0.999',
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
