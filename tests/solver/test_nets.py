from __future__ import annotations

import pytest

from netspec.errors import SpecError
from netspec.solver.nets import test_specs as specs_of_tests
from netspec.solver.nets import train_spec
from netspec.spec import parse_solver


@pytest.fixture
def solver(tmp_path):
    for name in ("net", "a", "b"):
        (tmp_path / f"{name}.prototxt").write_text(f'name: "{name}"')

    def read(text):
        return parse_solver(text, str(tmp_path / "s.prototxt"))

    return read


INLINE = 'net_param { name: "inline" }'


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('net: "net.prototxt"', "net"),
        ('train_net: "a.prototxt"', "a"),
        (INLINE, "inline"),
        ('train_net_param { name: "t" }', "t"),
    ],
)
def test_the_training_net(solver, text, name):
    spec = train_spec(solver(text + ' train_state { level: 3 stage: "x" }'))
    assert spec.net.message.name == name
    assert (spec.level, spec.stages) == (3, ("x",))


def names(specs):
    return [(spec.net.message.name, spec.batches) for spec in specs]


NET, A, B = 'net: "net.prototxt"', 'test_net: "a.prototxt"', 'test_net: "b.prototxt"'
PARAM = 'test_net_param { name: "p" }'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{NET} test_iter: 5", [("net", 5)]),
        (f"{NET} test_iter: 5 test_iter: 6", [("net", 5), ("net", 6)]),
        (f"{NET} {A} test_iter: 5 test_iter: 6", [("a", 5), ("net", 6)]),
        (f"{NET} {A} test_iter: 5", [("a", 5)]),
        (f"{A} {PARAM} {B}" + " test_iter: 1" * 3, [("p", 1), ("a", 1), ("b", 1)]),
        (f"{INLINE} test_iter: 2", [("inline", 2)]),
        (NET, [("net", None)]),
        (f"{NET} {A}", [("a", None)]),
        (f"{A} {B}", [("a", None), ("b", None)]),
        (f"{NET} test_state {{}} test_state {{}}", [("net", None)] * 2),
    ],
)
def test_the_test_nets(solver, text, expected):
    assert names(specs_of_tests(solver(text + " test_interval: 4"))) == expected


def test_no_interval_no_tests(solver):
    assert specs_of_tests(solver(NET)) == []


def test_states_go_round(solver):
    states = 'test_state { stage: "x" } test_state { level: 2 }'
    text = f"{NET} test_interval: 4 test_iter: 1 test_iter: 2 {states}"
    first, second = specs_of_tests(solver(text))
    assert (first.stages, first.level) == (("x",), 0)
    assert (second.stages, second.level) == ((), 2)


def test_states_that_do_not_go_round(solver):
    text = f"{NET} test_interval: 4 test_iter: 1\n test_state {{}} test_state {{}}"
    with pytest.raises(
        SpecError, match="2:2: 2 test_state entries are given for 1 test"
    ):
        specs_of_tests(solver(text))


def test_a_missing_net_is_named(solver):
    with pytest.raises(SpecError, match=r"nte.prototxt: there is no such file"):
        train_spec(solver('net: "nte.prototxt"'))


def test_what_a_solver_of_ssd_says_of_detections(solver):
    layers = [
        f'layer {{ name: "{name}" type: "DetectionEvaluate" bottom: "a" bottom: "b" '
        f'top: "{name}" detection_evaluate_param {{ num_classes: 3 {own} }} }}'
        for name, own in (("x", ""), ("y", 'ap_version: "MaxIntegral"'))
    ]
    text = (
        f"net_param {{ {' '.join(layers)} }} test_interval: 4 test_iter: 2 "
        'eval_type: "detection" ap_version: "11point" show_per_class_result: true'
    )
    (spec,) = specs_of_tests(solver(text))
    found = [layer.detection_evaluate_param for layer in spec.net.message.layer]
    assert [param.ap_version for param in found] == ["11point", "MaxIntegral"]
    assert all(param.show_per_class_result for param in found)
