"""Nets and solvers as JSON and YAML: the same message comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netspec.convert.plain import from_plain, read_plain_net, read_plain_spec, to_plain
from netspec.errors import DataError, SpecError
from netspec.proto import NetParameter, SolverParameter
from netspec.spec import read_net, read_solver
from tests.convert.helpers import MODELS, needs

NETS = sorted(MODELS.glob("*_deploy.prototxt")) + sorted(
    MODELS.glob("*_train_val.prototxt")
)


@pytest.mark.parametrize("path", NETS, ids=lambda p: p.stem)
def test_nets_come_back_from_json(path: Path) -> None:
    message = read_net(path).message
    text = json.dumps(to_plain(message))
    assert from_plain(json.loads(text), NetParameter()) == message


@pytest.mark.parametrize(
    "path", sorted(MODELS.glob("*_solver.prototxt")), ids=lambda p: p.stem
)
def test_solvers_come_back_from_json_and_yaml(path: Path, tmp_path: Path) -> None:
    yaml = needs("yaml")
    message = read_solver(path).message
    for name, text in (
        ("s.json", json.dumps(to_plain(message))),
        ("s.yaml", yaml.safe_dump(to_plain(message), sort_keys=False)),
    ):
        file = tmp_path / name
        file.write_text(text)
        assert read_plain_spec(file, name.endswith("yaml")).message == message


def test_every_caffe_prototxt_comes_back(shared_data: Path) -> None:
    yaml = needs("yaml")
    nets = sorted((shared_data / "prototxt" / "bvlc_all").glob("*.prototxt"))
    assert nets
    for path in nets:
        kind = read_solver if "solver" in path.name else read_net
        message = kind(path).message
        plain = yaml.safe_load(yaml.safe_dump(to_plain(message)))
        assert from_plain(plain, type(message)()) == message, path.name


def test_special_values() -> None:
    message = NetParameter()
    layer = message.layer.add(name="a\n\"'é", type="Clip")
    layer.clip_param.min, layer.clip_param.max = float("-inf"), float("inf")
    layer.param.add(lr_mult=1e-38)
    blob = layer.blobs.add(raw_data=bytes(range(256)))
    blob.double_data.extend([0.1, float("inf"), 1e300])
    layer.power_param.power = 0.1
    plain = json.loads(json.dumps(to_plain(message), allow_nan=False))
    assert plain["layer"][0]["power_param"]["power"] == 0.1
    assert from_plain(plain, NetParameter()) == message


def test_old_spellings_are_upgraded(tmp_path: Path) -> None:
    file = tmp_path / "v1.json"
    file.write_text(
        json.dumps({"layers": [{"name": "r", "type": "RELU", "bottom": ["x"]}]})
    )
    (layer,) = read_plain_net(file, yaml=False).message.layer
    assert layer.type == "ReLU"


ERRORS = [
    ({"layer": [{"nme": "x"}]}, "layer[0] has no field 'nme'.\n  Did you mean 'name'?"),
    ({"layer": {}}, "layer is a table.\n  It repeats: write a list."),
    ({"layer": [3]}, "layer[0] is a number where a message's fields are expected.\n"
     "  Write its fields as names and values."),
    ({"name": 3}, "name is a number: 3.\n  It must be a text."),
    ({"force_backward": 1},
     "force_backward is a number: 1.\n  It must be true or false."),
    ({"layer": [{"convolution_param": {"num_output": -1}}]},
     "layer[0].convolution_param.num_output is a number: -1.\n"
     "  It must be a whole number of its range."),
    ({"layer": [{"convolution_param": {"num_output": 1.5}}]},
     "layer[0].convolution_param.num_output is a number: 1.5.\n"
     "  It must be a whole number of its range."),
    ({"layer": [{"pooling_param": {"pool": "MEDIAN"}}]},
     "layer[0].pooling_param.pool is a text: 'MEDIAN'.\n"
     "  It must be one of MAX, AVE, STOCHASTIC."),
    ({"layer": [{"relu_param": {"negative_slope": "steep"}}]},
     "layer[0].relu_param.negative_slope is a text: 'steep'.\n  It must be a number."),
    (None, "the file is empty where a message's fields are expected.\n"
     "  Write its fields as names and values."),
]  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), ERRORS)
def test_errors(value: object, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "net.json"
    file.write_text(json.dumps(value))
    with pytest.raises(SpecError) as caught:
        read_plain_net(file, yaml=False)
    assert str(caught.value) == f"{file}: {expected}"


def test_broken_json_is_located(tmp_path: Path) -> None:
    file = tmp_path / "net.json"
    file.write_text('{"layer": [\n  {]\n}')
    with pytest.raises(DataError, match=r"net\.json:2:4: "):
        read_plain_net(file, yaml=False)


def test_broken_yaml_is_located(tmp_path: Path) -> None:
    needs("yaml")
    file = tmp_path / "net.yaml"
    file.write_text("layer:\n- name: [\n")
    with pytest.raises(DataError, match=r"net\.yaml:3:1: "):
        read_plain_net(file, yaml=True)


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    needs("yaml")
    file = tmp_path / "net.yaml"
    file.write_text("layer: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(DataError, match="could not determine a constructor"):
        read_plain_net(file, yaml=True)


def test_a_solver_is_told_by_its_fields(tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    file.write_text('{"net": "x.prototxt", "base_lr": 0.01}')
    assert isinstance(read_plain_spec(file, False).message, SolverParameter)
