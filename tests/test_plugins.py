"""Layers from packages of other people: found when met, refused with their name."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from netspec.errors import SpecError
from netspec.layers import LAYERS
from netspec.layers.base import Layer
from netspec.net import Net
from netspec.plugins import OpenRegistry
from netspec.spec import parse_net

MODULE = '''
from netspec.layers.base import Layer

count = 3


class Cube(Layer):
    """y = scale · x³, the scale from the free text of the layer."""

    def setup(self):
        self.scale = float(self.proto.python_param.param_str or 1)

    def forward(self, ops, run):
        ops.power(run.bottom[0], run.top[0], 3, self.scale ** (1 / 3), 0)
'''
ENTRIES = """
[netspec.layers]
Cube = cube_layer:Cube
ReLU = cube_layer:Cube
Gone = no_such_module_at_all:Gone
Lost = cube_layer:Lost
Count = cube_layer:count
Text = builtins:str
"""
NET = """
layer { name: "data" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "cube" type: "Cube" bottom: "x" top: "y" python_param { param_str: "8" } }
"""


def install(folder, name: str, entries: str) -> None:
    """What pip leaves behind of a package."""
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\n")
    (about / "entry_points.txt").write_text(entries)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package *cube* on the path; what LAYERS takes in from it goes afterwards."""
    install(tmp_path, "cube", ENTRIES)
    (tmp_path / "cube_layer.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(LAYERS, "_known", dict(LAYERS._known))
    yield tmp_path
    sys.modules.pop("cube_layer", None)


@pytest.mark.smoke
def test_a_net_with_a_layer_from_another_package(package) -> None:
    net = Net(parse_net(NET, "n.prototxt"))
    net.blobs["x"].data[...] = [[0, 1, 2], [-1, 0.5, 3]]
    net.forward()
    expected = 8 * np.array([[0, 1, 8], [-1, 0.125, 27]])
    np.testing.assert_allclose(net.blobs["y"].data, expected, rtol=1e-6)


def test_nothing_is_imported_before_its_name_is_met(package) -> None:
    relu = LAYERS["ReLU"]
    assert "Cube" in LAYERS
    assert "Cube" in list(LAYERS)
    assert len(LAYERS) == len(list(LAYERS))
    assert "cube_layer" not in sys.modules
    assert relu.__module__ == "netspec.layers.relu"
    assert LAYERS["Cube"] is LAYERS["Cube"] is sys.modules["cube_layer"].Cube


def test_a_module_that_registers_its_class_too(package) -> None:
    (package / "cube_layer.py").write_text(
        MODULE.replace("class Cube", '@LAYERS("Cube")\nclass Cube').replace(
            "import Layer", "import LAYERS, Layer"
        )
    )
    assert LAYERS["Cube"] is sys.modules["cube_layer"].Cube


def layers() -> OpenRegistry[Layer]:
    return OpenRegistry("layer type", Layer, "netspec.layers")


REFUSED = {
    "Gone": (
        "layer type 'Gone' from package 'cube' (no_such_module_at_all:Gone) cannot be "
        "imported: ModuleNotFoundError: No module named 'no_such_module_at_all'.\n"
        "  Update that package, or tell its author."
    ),
    "Lost": (
        "layer type 'Lost' from package 'cube' (cube_layer:Lost) cannot be imported: "
        "AttributeError: module 'cube_layer' has no attribute 'Lost'.\n"
        "  Update that package, or tell its author."
    ),
    "Count": (
        "layer type 'Count' from package 'cube' (cube_layer:count) is no class derived "
        "from Layer.\n  Update that package, or tell its author."
    ),
    "Text": (
        "layer type 'Text' from package 'cube' (builtins:str) is no class derived from "
        "Layer.\n  Update that package, or tell its author."
    ),
    "cubes": "unknown layer type 'cubes'.\n  Did you mean 'Cube'?",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_had(package, name: str) -> None:
    with pytest.raises(SpecError) as caught:
        layers()[name]
    assert str(caught.value) == REFUSED[name]


def test_the_error_says_where_the_type_stands(package) -> None:
    with pytest.raises(SpecError) as caught:
        Net(parse_net(NET.replace("Cube", "Gone"), "n.prototxt"))
    assert str(caught.value).startswith(
        "n.prototxt:3:22: layer 'cube' (Gone): layer type 'Gone' from package 'cube' "
    )


def test_two_packages_of_one_layer(package) -> None:
    install(package, "other", "[netspec.layers]\nCube = other:Cube\n")
    with pytest.raises(SpecError) as caught:
        layers()["Cube"]
    assert str(caught.value) == (
        "layer type 'Cube' is offered by package 'cube' (cube_layer:Cube) and package "
        "'other' (other:Cube).\n  Uninstall all but one."
    )
