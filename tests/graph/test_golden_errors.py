"""Nets that Caffe refuses are refused, at their line; nets that it takes are taken."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from netspec.errors import NetspecError
from netspec.graph import build_graph
from netspec.net import Net
from netspec.proto import TRAIN
from netspec.spec import read_net
from tests.golden import golden_folder

FORM = re.compile(r"\S+:\d+:\d+: layer '\w+' \([\w?]+\): .+\.\n  .+[.?]", re.DOTALL)


def cases(kind: str) -> list:
    index = golden_folder() / "errors" / "index.json"
    if not index.is_file():
        reason = f"no golden data at {golden_folder()}: set NETSPEC_TEST_DATA"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    return [pytest.param(c, id=c["name"]) for c in json.loads(index.read_text())[kind]]


def build(path: Path) -> None:
    build_graph(read_net(path), TRAIN)


def run_backward(path: Path) -> None:
    net = Net(path, phase="train", device="numpy")
    net.forward()
    net.backward()


@pytest.mark.parametrize("case", cases("cases"))
def test_what_caffe_refuses_is_refused_with_place_and_remedy(case) -> None:
    path = golden_folder() / "errors" / case["file"]
    use = run_backward if case["stage"] == "backward" else build
    with pytest.raises(NetspecError) as caught:
        use(path)
    assert FORM.fullmatch(str(caught.value)), str(caught.value)


@pytest.mark.parametrize("case", cases("accepted"))
def test_what_caffe_takes_is_taken(case) -> None:
    graph = build_graph(read_net(golden_folder() / "errors" / case["file"]), TRAIN)
    assert [[n.name, n.type] for n in graph.nodes] == case["layers"]
    assert list(graph.outputs) == case["outputs"]
    named = {k: list(v) for k, v in graph.blobs.items() if ":" not in k}
    assert named == {k: v for k, v in case["blobs"].items() if k != "(automatic)"}
