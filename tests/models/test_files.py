"""Every shipped file reads, checks and builds, and every model is complete."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from netspec.graph import build_graph, layer_costs
from netspec.proto import TEST
from netspec.solver.inspect import State, inspect_file
from netspec.spec import read_net

from .helpers import MODELS, NAMES, ROOT, VGG, net, solver

PARAMETERS = {  # the paper's table 2, exactly; the others as published
    "vgg11": 132_863_336,
    "vgg11_lrn": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16_1x1": 133_638_952,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "alexnet": 60_965_224,
    "googlenet": 6_998_552,
    "resnet50": 25_610_269,  # 53,173 of them are BatchNorm's statistics
    "lenet": 431_080,
    "cifar10_quick": 145_578,
    "digits": 99_178,
}
SCALED = {  # solvers of the paper's other scales
    f"{name}_{stage}_solver.prototxt"
    for name in ("vgg16_1x1", "vgg16", "vgg19")
    for stage in ("s384", "jitter")
}
FILES = sorted(path.name for path in MODELS.glob("*.prototxt"))


def costs(name: str) -> tuple[int, int, int]:
    """Images in the deploy net's batch, parameters, MACs of the batch."""
    graph = build_graph(read_net(MODELS / f"{name}_deploy.prototxt"), TEST)
    rows = layer_costs(graph)
    batch = rows[0].shape[0][0]
    return batch, sum(r.parameters for r in rows), sum(r.macs for r in rows)


def test_each_model_has_its_four_files() -> None:
    kinds = ("_train_val.prototxt", "_deploy.prototxt", "_solver.prototxt", ".md")
    expected = {f"{name}{kind}" for name in NAMES for kind in kinds} | SCALED
    found = {path.name for path in MODELS.iterdir() if path.is_file()}
    assert found == expected | {"README.md"}


@pytest.mark.parametrize("file", FILES)
def test_a_file_checks_without_error_or_remark(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    found = inspect_file(MODELS / file, State())
    assert [str(fault) for fault in found.errors] == []
    assert [str(lint) for lint in found.lints] == []
    assert not any("upgraded" in note for note in found.notes)


@pytest.mark.smoke
@pytest.mark.parametrize("name", NAMES)
def test_parameters_of(name: str) -> None:
    assert costs(name)[1] == PARAMETERS[name]


@pytest.mark.parametrize("name", VGG)
@pytest.mark.parametrize("phase", ["train", "test"])
def test_training_nets_have_the_deploy_nets_parameters(name: str, phase: str) -> None:
    found = inspect_file(MODELS / f"{name}_train_val.prototxt", State((phase,)))
    assert any(f"{PARAMETERS[name]:,} parameters" in note for note in found.notes)


@pytest.mark.parametrize("name", NAMES)
def test_a_solver_names_its_net_and_its_own_snapshots(name: str) -> None:
    assert solver(name).net == f"models/{name}_train_val.prototxt"
    assert solver(name).snapshot_prefix == f"snapshots/{name}"


@pytest.mark.parametrize("name", NAMES)
def test_deploy_layers_are_the_training_nets(name: str) -> None:
    """Same layers apart from data and loss, so weights move by name."""
    trained = {layer.name: layer for layer in net(name, "train_val").layer}
    for layer in net(name, "deploy").layer:
        if layer.type in ("Input", "Softmax"):
            continue
        same = trained[layer.name]
        del same.param[:]
        for product in ("convolution_param", "inner_product_param"):
            if same.HasField(product):
                getattr(same, product).ClearField("weight_filler")
                getattr(same, product).ClearField("bias_filler")
        assert layer == same


@pytest.mark.smoke
def test_generated_files_are_what_the_tool_writes(tmp_path) -> None:
    tool = ROOT / "tools" / "make_models.py"
    subprocess.run([sys.executable, str(tool), str(tmp_path)], check=True)
    written = sorted(path.name for path in tmp_path.iterdir())
    generated = [*VGG, "googlenet", "resnet50"]
    assert len(written) == 3 * len(generated) + len(SCALED)
    for name in written:
        assert (MODELS / name).read_text() == (tmp_path / name).read_text()


def test_the_table_of_models_holds_what_the_nets_cost() -> None:
    text = (MODELS / "README.md").read_text()
    for name in NAMES:
        batch, parameters, macs = costs(name)
        row = re.search(rf"^\| \[{name}\].*$", text, re.MULTILINE)
        assert row is not None, name
        assert f"| {parameters:,} | {macs // batch:,} |" in row[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_every_card_says(name: str) -> None:
    text = (MODELS / f"{name}.md").read_text()
    parts = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert parts == [
        "Source",
        "Architecture",
        "Differences",
        "Training",
        "Measured",
        "Licences",
    ]
