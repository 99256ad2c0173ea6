"""Two models side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netspec.convert.caffe_files import write_model
from netspec.convert.diff import Side, compare
from netspec.convert.spec_diff import spec_changes
from netspec.errors import UsageError
from netspec.spec import parse_net, parse_solver
from tests.convert.helpers import MODELS, from_text

NET = """
name: "one"
layer { name: "in" type: "Input" top: "x"
  input_param { shape { dim: 2 dim: 3 dim: 8 dim: 7 } } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "r" type: "ReLU" bottom: "c" top: "r" }
"""


def changes(one: str, two: str) -> list[str]:
    return [
        str(c) for c in spec_changes(parse_net(one).message, parse_net(two).message)
    ]


CHANGES = [
    (NET, []),
    (NET.replace('"one"', '"two"'), ["net name: one -> two"]),
    (NET.replace("kernel_size: 3", "kernel_size: 3 pad: 1"),
     ["layer 'c' convolution_param.pad: only in the second ([1])"]),
    (NET.replace("num_output: 4", "num_output: 5"),
     ["layer 'c' convolution_param.num_output: 4 -> 5"]),
    (NET.replace("ReLU", "TanH"), ["layer 'r' type: ReLU -> TanH"]),
    (NET.split('layer { name: "r"')[0], ["layer 'r': only in the first (ReLU)"]),
    (NET + 'layer { name: "s" type: "Sigmoid" bottom: "r" top: "s" }',
     ["layer 's': only in the second (Sigmoid)"]),
]  # fmt: skip


@pytest.mark.parametrize(("second", "expected"), CHANGES)
def test_what_nets_say(second: str, expected: list[str]) -> None:
    assert changes(NET, second) == expected


def test_the_order_of_layers_counts() -> None:
    two = 'layer { name: "t" type: "TanH" bottom: "x" top: "t" }'
    relu = 'layer { name: "r" type: "ReLU" bottom: "x" top: "r" }'
    assert changes(two + relu, relu + two) == [
        "order of layers, first difference: t -> r"
    ]


def test_solvers() -> None:
    one, two = parse_solver("base_lr: 0.1 max_iter: 9"), parse_solver("base_lr: 0.2")
    assert [str(c) for c in spec_changes(one.message, two.message)] == [
        "base_lr: 0.1 -> 0.2",
        "max_iter: only in the first (9)",
    ]


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Side, Side, Path]:
    model = from_text(NET)
    files = [write_model(model, tmp_path / f"{n}.prototxt", True) for n in "ab"]
    pair = [Side(str(net), str(weights)) for net, weights in files]
    return pair[0], pair[1], tmp_path


@pytest.mark.smoke
def test_a_model_equals_itself(sides) -> None:
    found = compare(sides[0], sides[1])
    assert found.equal
    assert found.changes == ()
    assert found.weights is not None
    assert found.weights.verdict == "pass"
    assert found.outputs is not None
    assert found.outputs.verdict == "pass"
    assert len(found.outputs.trials) == 2


def test_other_weights_show_in_weights_and_outputs(sides) -> None:
    model = from_text(NET)
    model.params[0][0, 0, 0, 0] += 0.5
    write_model(model, sides[2] / "b.prototxt", True)
    found = compare(sides[0], sides[1])
    assert not found.equal
    assert found.weights is not None
    assert found.weights.failed == ["c/0"]
    assert found.outputs is not None
    assert found.outputs.failed == ["c", "r"]


def test_weights_that_one_side_lacks(sides) -> None:
    from netspec.weights import write_hdf5

    path = sides[2] / "b.h5"
    write_hdf5(
        path,
        {"c": [np.zeros((4, 3, 3, 3), np.float32)], "more": [np.ones(2, np.float32)]},
    )
    found = compare(sides[0], Side(str(path)), frozenset({"weights"}))
    assert found.weights is not None
    problems = {d.name: d.problem for d in found.weights.worst()}
    assert problems["c/1"] == "missing"
    assert problems["more/0"] == "only in the second"


def test_a_net_without_weights_is_compared_as_far_as_it_goes() -> None:
    nets = [Side(str(MODELS / f"{n}_deploy.prototxt")) for n in ("vgg16", "vgg19")]
    found = compare(*nets)
    assert (found.weights, found.outputs, found.notes) == (None, None, ())
    assert found.changes
    assert "layer 'conv3_4': only in the second (Convolution)" in map(
        str, found.changes
    )


def test_why_outputs_were_not_compared_is_said(sides) -> None:
    other = from_text(NET.replace('"x"', '"y"'))
    files = write_model(other, sides[2] / "other.prototxt", True)
    found = compare(sides[0], Side(str(files[0]), str(files[1])))
    assert found.notes == ("outputs were not compared: the inputs have other names.",)


def test_a_net_is_not_compared_with_a_solver(sides, tmp_path: Path) -> None:
    (tmp_path / "solver.prototxt").write_text("base_lr: 0.1")
    with pytest.raises(UsageError, match="one is a net and the other a solver"):
        compare(sides[0], Side(str(tmp_path / "solver.prototxt")))
