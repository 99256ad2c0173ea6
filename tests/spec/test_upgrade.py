"""Upgrades: Caffe's own results, blobs carried along, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from google.protobuf import text_format

from netspec.errors import SpecError
from netspec.proto import NetParameter, V1LayerParameter
from netspec.spec import (
    Located,
    Places,
    parse_net,
    parse_solver,
    read_net,
    read_solver,
    upgraded_from,
)
from netspec.spec.upgrade import upgrade_net
from netspec.spec.upgrade_v0 import _FIELDS, _TYPES
from netspec.spec.upgrade_v1 import type_name

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.smoke
def test_equal_to_caffe_on_every_golden_case(shared_data):
    folder = shared_data / "caffe_golden" / "upgrade"
    cases = json.loads((folder / "index.json").read_text())["cases"]
    assert len(cases) == 15
    for case in cases:
        read = read_net if case["what"] == "net" else read_solver
        if case["status"] != 0:
            with pytest.raises(SpecError):
                read(folder / case["old"])
            continue
        found = read(folder / case["old"])
        wanted = type(found.message)()
        text_format.Parse((folder / case["new"]).read_text(), wanted)
        assert found.message == wanted, case["name"]
        assert bool(upgraded_from(found)) != ("new" in case["name"]), case["name"]


def test_todays_files_are_left_as_they_are(shared_data):
    for path in sorted((shared_data / "prototxt" / "bvlc_all").glob("*.prototxt")):
        solver = "solver" in path.name
        read = read_solver if solver else read_net
        found = read(path)
        wanted = text_format.Parse(path.read_text(), type(found.message)())
        if not upgraded_from(found):
            assert found.message == wanted, path.name


def test_every_v1_type_has_todays_name():
    """The names that the schema's own comments give."""
    text = (ROOT / "protos" / "netspec.proto").read_text()
    listed = text[text.index("enum LayerType") :]
    names = dict(re.findall(r"(\w+) = \d+; +// (\w+)\n", listed.split("}")[0]))
    kinds = V1LayerParameter.LayerType
    assert len(kinds.keys()) == 40
    for old in set(kinds.keys()) - {"NONE"}:
        assert type_name(kinds.Value(old)) == names[old]
    assert type_name(0) == ""


def test_tables_of_v0_name_real_fields():
    fields = NetParameter.DESCRIPTOR.file.message_types_by_name
    v1 = fields["V1LayerParameter"].fields_by_name
    v0 = fields["V0LayerParameter"].fields_by_name
    for old, (new, kinds) in _FIELDS.items():
        assert old in v0
        for kind in kinds.split():
            assert new in v1[_TYPES[kind][1]].message_type.fields_by_name


@pytest.mark.parametrize("old", ["V1", "V0"])
def test_blobs_are_carried(old):
    net = NetParameter()
    layer = net.layers.add()
    holder = layer if old == "V1" else layer.layer
    holder.name = "ip"
    if old == "V1":
        layer.type = V1LayerParameter.INNER_PRODUCT
    else:
        layer.layer.type = "innerproduct"
    holder.blobs.add(num=1, channels=1, height=2, width=3, data=range(6))
    holder.blobs.add(data=[7, 8])
    found = upgrade_net(Located(net, Places("w.caffemodel"))).message.layer[0]
    assert found.type == "InnerProduct"
    assert list(found.blobs[0].data) == [0, 1, 2, 3, 4, 5]
    assert found.blobs[0].height == 2
    assert list(found.blobs[1].data) == [7, 8]


def test_inputs_without_shape_are_dropped_from_weight_files_only():
    net = NetParameter(input=["data"])
    net.layer.add(name="a")
    found = upgrade_net(Located(net, Places("w.caffemodel"))).message
    assert (len(found.input), len(found.layer)) == (0, 1)


def test_what_v0_cannot_use_is_noted():
    net = parse_net('layers { layer { name: "p" type: "pool" num_output: 3 } }')
    assert any("num_output of layer 'p' was dropped" in n for n in net.upgraded)
    assert net.message.layer[0].type == "Pooling"


INPUT = 'input: "x" input_dim: [1, 2, 3, 4]\n'
ERRORS = {
    'layers { name: "a" }\nlayer { name: "b" }': "n:2:1: the net has layers of two "
    "formats: 'layers' (old) and 'layer' (today's).\n  Write all of them as layer { "
    'type: "..." ... }.',
    'layers { layer { name: "a" } }\nlayers { name: "b" }': "n:2:1: the old layer 'b' "
    "is not in the V0 format, others are.\n  Put its settings into 'layer { ... }' as "
    "the others do, or write the whole net with today's 'layer'.",
    'layers { layer { name: "a" type: "convv" } }': "n:1:1: layer 'a' (convv): unknown "
    "V0 layer type 'convv'.\n  Did you mean 'conv'?",
    INPUT + 'layers { layer { name: "a" type: "relu" } bottom: "y" }': "n:2:1: layer "
    "'a' (relu): no layer before it makes its bottom 'y'.\n  Known are: x.",
    INPUT + 'layers { layer { name: "p" type: "padding" } bottom: "x" top: "p" }\n'
    'layers { layer { name: "a" type: "relu" } bottom: "p" }': "n:3:1: layer 'a' "
    "(relu): it reads the padding layer 'p'.\n  Only a conv or pool layer with one "
    "bottom can read a padding layer.",
    INPUT + 'layers { layer { name: "p" type: "padding" } top: "p" }\n'
    'layers { layer { name: "a" type: "conv" } bottom: "p" }': "n:2:1: layer 'p' "
    "(padding): a padding layer needs exactly one bottom and one top.\n  Give it one "
    "of each.",
    'input: "x"\n input: "y" input_dim: [1, 2, 3, 4]': "n:2:2: input 'y' has no shape: "
    "2 inputs, 4 input_dim.\n  Give four input_dim for each input.",
    'input: "x"\n input: "y" input_shape { dim: 3 }': "n:2:2: input 'y' has no shape: "
    "2 inputs, 1 input_shape.\n  Give one input_shape for each input.",
    '\n  input: "x"': "n:2:3: input 'x' has no shape.\n  Add input_shape { dim: ... } "
    "for it, or an Input layer.",
}


@pytest.mark.parametrize("text", ERRORS)
def test_refused(text):
    with pytest.raises(SpecError) as caught:
        parse_net(text, "n")
    assert str(caught.value) == ERRORS[text]


def test_solver_with_both_types_is_refused():
    with pytest.raises(SpecError) as caught:
        parse_solver('type: "SGD"\nsolver_type: ADAM', "s")
    assert str(caught.value) == (
        "s:2:1: both type and the old solver_type are given.\n  Remove solver_type."
    )


def test_nvidias_names_of_warm_up_are_ours():
    solver = parse_solver("rampup_interval: 50\n rampup_lr: 0.25", "s")
    assert (solver.message.warmup_iter, solver.message.warmup_start_lr) == (50, 0.25)
    assert not solver.message.HasField("rampup_lr")
    assert str(solver.place("warmup_start_lr")) == "s:2:2"
    assert upgraded_from(solver) == (
        "rampup_interval, now warmup_iter.",
        "rampup_lr, now warmup_start_lr.",
    )


def test_rates_for_each_parameter_are_lars():
    text = "momentum: 0.9 local_gw_ratio: 0.5\nlocal_lr_auto: true"
    solver = parse_solver(text, "s")
    assert (solver.message.type, solver.message.local_gw_ratio) == ("LARS", 0.5)
    assert not solver.message.HasField("local_lr_auto")
    assert str(solver.place("type")) == "s:2:1"
    off = parse_solver("local_lr_auto: false", "s").message
    assert (off.type, off.HasField("local_lr_auto")) == ("SGD", False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "warmup_iter: 3\nrampup_interval: 4",
            "s:2:1: both warmup_iter and NVIDIA's name for it, rampup_interval, are "
            "given.\n  Remove rampup_interval.",
        ),
        (
            'type: "Adam"\nlocal_lr_auto: true',
            "s:2:1: local_lr_auto is given, and type is 'Adam'.\n  Remove it; rates "
            'for each parameter are those of type "LARS", a kind of SGD.',
        ),
    ],
)
def test_forks_spellings_that_contradict_ours(text, expected):
    with pytest.raises(SpecError) as caught:
        parse_solver(text, "s")
    assert str(caught.value) == expected
