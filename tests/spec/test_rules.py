"""Include and exclude rules: phase, level, stages."""

from __future__ import annotations

import pytest

from netspec.errors import SpecError
from netspec.proto import TEST, TRAIN, NetState, NetStateRule
from netspec.spec import filter_net, parse_net, read_net
from netspec.spec.rules import meets

STATE = NetState(phase=TRAIN, level=3, stage=["a", "b"])


@pytest.mark.parametrize(
    ("rule", "met"),
    [
        ({}, True),
        ({"phase": TRAIN}, True),
        ({"phase": TEST}, False),
        ({"min_level": 3}, True),
        ({"min_level": 4}, False),
        ({"max_level": 3}, True),
        ({"max_level": 2}, False),
        ({"min_level": 2, "max_level": 5}, True),
        ({"stage": ["a"]}, True),
        ({"stage": ["a", "b"]}, True),
        ({"stage": ["a", "c"]}, False),
        ({"not_stage": ["c"]}, True),
        ({"not_stage": ["c", "b"]}, False),
        ({"phase": TRAIN, "stage": ["b"], "not_stage": ["d"], "min_level": 1}, True),
        ({"phase": TRAIN, "stage": ["b"], "not_stage": ["a"], "min_level": 1}, False),
    ],
)
def test_a_rule_is_met_when_every_part_holds(rule, met):
    assert meets(STATE, NetStateRule(**rule)) is met


NET = """
name: "n"
state { phase: TRAIN level: 7 stage: "own" }
layer { name: "always" }
layer { name: "train" include { phase: TRAIN } }
layer { name: "not test" exclude { phase: TEST } }
layer { name: "test or deep" include { phase: TEST } include { min_level: 2 } }
layer { name: "own" include { stage: "own" } }
layer { name: "extra" include { stage: "own" stage: "extra" } }
layer { name: "not extra" exclude { stage: "extra" } exclude { phase: TRAIN } }
"""


def names(*state, **more):
    net = filter_net(parse_net(NET), *state, **more)
    return [layer.name for layer in net.message.layer]


@pytest.mark.smoke
def test_phases_levels_and_stages():
    assert names(TRAIN) == ["always", "train", "not test", "own"]
    assert names(TEST) == ["always", "test or deep", "own", "not extra"]
    assert "test or deep" in names(TRAIN, level=2)
    assert "test or deep" not in names(TRAIN, level=1)
    assert names(TEST, stages=["extra"])[-1] == "extra"


def test_the_state_is_recorded_and_the_net_left_alone():
    net = parse_net(NET)
    before = net.message.SerializeToString()
    state = filter_net(net, TEST, 2, ["x", "own"]).message.state
    assert (state.phase, state.level, list(state.stage)) == (TEST, 2, ["own", "x"])
    assert net.message.SerializeToString() == before
    assert filter_net(net, TEST).message.name == "n"


def test_include_and_exclude_together_are_refused_at_the_layer(shared_data):
    path = shared_data / "caffe_golden" / "errors" / "include_and_exclude.prototxt"
    net = read_net(path)
    with pytest.raises(SpecError, match="include rules and exclude rules") as caught:
        filter_net(net, TRAIN)
    assert caught.value.place is not None
    assert caught.value.place.line > 0
    assert caught.value.layer is not None
