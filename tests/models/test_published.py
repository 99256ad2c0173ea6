"""The nets that others published: ours mean the same, message for message."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from netspec.proto import FillerParameter, LayerParameter, NetParameter, SolverParameter
from netspec.spec import read_net, read_solver

from .helpers import net, solver

BVLC = "prototxt/bvlc_all/BVLC+caffe__"
TRAINING = {
    "lenet": f"{BVLC}examples__mnist__lenet_train_test.prototxt",
    "cifar10_quick": f"{BVLC}examples__cifar10__cifar10_quick_train_test.prototxt",
    "alexnet": f"{BVLC}models__bvlc_alexnet__train_val.prototxt",
    "googlenet": f"{BVLC}models__bvlc_googlenet__train_val.prototxt",
}
DEPLOY = {
    "lenet": f"{BVLC}examples__mnist__lenet.prototxt",
    "cifar10_quick": f"{BVLC}examples__cifar10__cifar10_quick.prototxt",
    "alexnet": f"{BVLC}models__bvlc_alexnet__deploy.prototxt",
    "googlenet": f"{BVLC}models__bvlc_googlenet__deploy.prototxt",
    "resnet50": (
        "prototxt/zoo_bvlc_types/"
        "KaimingHe+deep-residual-networks__prototxt__ResNet-50-deploy.prototxt"
    ),
}
SOLVERS = {
    "lenet": f"{BVLC}examples__mnist__lenet_solver.prototxt",
    "alexnet": f"{BVLC}models__bvlc_alexnet__solver.prototxt",
    "googlenet": f"{BVLC}models__bvlc_googlenet__quick_solver.prototxt",
}

ZERO = (
    FillerParameter(type="constant"),
    FillerParameter(type="constant", value=0),
)


def plain(layers: Iterable[LayerParameter], training: bool) -> list[LayerParameter]:
    """Layers without file names, and without values that say the default again."""
    return [_plain(layer, training) for layer in layers]


def _plain(layer: LayerParameter, training: bool) -> LayerParameter:
    if layer.type in ("Data", "Input"):
        layer.name = "data"
        layer.data_param.source = layer.transform_param.mean_file = ""
        layer.transform_param.mirror = layer.transform_param.mirror
    geometry = layer.convolution_param
    for field, default in (("pad", [0]), ("stride", [1])):
        if list(getattr(geometry, field)) == default:
            geometry.ClearField(field)
    for product in (geometry, layer.inner_product_param):
        if product.bias_filler in ZERO:
            product.ClearField("bias_filler")
        if not training:
            product.ClearField("weight_filler")
            product.ClearField("bias_filler")
    if not training:
        del layer.param[:]
        layer.ClearField("batch_norm_param")  # use_global_stats is TEST's own default
    return layer


def same(ours: NetParameter, theirs: NetParameter, training: bool) -> None:
    mine, other = plain(ours.layer, training), plain(theirs.layer, training)
    assert [x.name for x in mine] == [x.name for x in other]
    for one, two in zip(mine, other):
        assert one.SerializeToString() == two.SerializeToString(), one.name


@pytest.mark.parametrize("name", TRAINING)
def test_training_nets_are_caffes(name: str, shared_data: Path) -> None:
    theirs = read_net(shared_data / TRAINING[name]).message
    same(net(name, "train_val"), theirs, training=True)


@pytest.mark.parametrize("name", DEPLOY)
def test_deploy_nets_are_the_published(name: str, shared_data: Path) -> None:
    theirs = read_net(shared_data / DEPLOY[name]).message
    same(net(name, "deploy"), theirs, training=False)


@pytest.mark.parametrize("name", SOLVERS)
def test_solvers_are_caffes(name: str, shared_data: Path) -> None:
    theirs = read_solver(shared_data / SOLVERS[name]).message
    mine = solver(name)
    assert _settings(mine) == _settings(theirs)


def _settings(message: SolverParameter) -> dict[str, object]:
    """Every field but file names and the device."""
    places = ("net", "snapshot_prefix", "solver_mode", "random_seed")
    return {
        field.name: list(value) if field.is_repeated else value
        for field, value in message.ListFields()
        if field.name not in places
    }


def test_the_two_solvers_of_cifar10_quick_are_one(shared_data: Path) -> None:
    folder = f"{BVLC}examples__cifar10__"
    first, last = (
        read_solver(shared_data / f"{folder}{name}.prototxt").message
        for name in ("cifar10_quick_solver", "cifar10_quick_solver_lr1")
    )
    mine = solver("cifar10_quick")
    assert (mine.base_lr, mine.max_iter) == (first.base_lr, last.max_iter)
    assert list(mine.stepvalue) == [first.max_iter]
    assert mine.base_lr * mine.gamma == pytest.approx(last.base_lr)
    for field in ("momentum", "weight_decay", "test_interval", "test_iter"):
        assert getattr(mine, field) == getattr(first, field) == getattr(last, field)
