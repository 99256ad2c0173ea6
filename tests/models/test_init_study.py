"""The study of first weights asks for the net and the solver that it says it does."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from netspec.graph import build_graph
from netspec.proto import TRAIN
from netspec.spec import parse_net, to_text

from .helpers import ROOT


@pytest.fixture(scope="module")
def study() -> ModuleType:
    path = ROOT / "tools" / "init_study.py"
    spec = importlib.util.spec_from_file_location("init_study", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def args() -> argparse.Namespace:
    return argparse.Namespace(
        images=Path("photos"),
        model="vgg11",
        classes=7,
        side=96,
        batch=6,
        rate=None,
        iterations=40,
        seed=3,
    )


def test_only_fillers_images_and_classes_differ(
    study: ModuleType, args: argparse.Namespace
) -> None:
    net = study.net_with(args, study.FILLERS["std-0.01"])
    graph = build_graph(parse_net(to_text(net)), TRAIN)
    shapes = {node.name: node.top_shapes[0] for node in graph.nodes}
    assert shapes["data"] == (6, 3, 96, 96)
    assert shapes["conv5_2"] == (6, 512, 6, 6)
    assert shapes["fc8"] == (6, 7)
    for layer in net.layer:
        for product in (layer.convolution_param, layer.inner_product_param):
            if product.HasField("weight_filler"):
                assert product.weight_filler == study.FILLERS["std-0.01"]


def test_the_solver_is_the_models_at_a_fixed_rate(
    study: ModuleType, args: argparse.Namespace
) -> None:
    solver = study.solver_with(args, Path("net.prototxt"))
    assert (solver.lr_policy, solver.shards) == ("fixed", 1)
    assert solver.base_lr == pytest.approx(0.01)
    assert solver.momentum == pytest.approx(0.9)
    args.rate = 0.002
    solver = study.solver_with(args, Path("net.prototxt"))
    assert solver.base_lr == pytest.approx(0.002)
