"""One net for every contender: made from a deploy prototxt of ``models/``.

Weights are drawn from a seed.  The training net is the same one with its softmax
turned into the loss; PyTorch's and ONNX's are what ``netspec convert`` makes of it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from netspec.cli.main import main as netspec
from netspec.graph import build_graph
from netspec.proto import TEST, LayerParameter, NetParameter, SolverParameter
from netspec.spec import read_net, to_text

ROOT = Path(__file__).resolve().parents[2]


def prepare(model: str, folder: Path) -> None:
    """Write everything that the contenders read about one model."""
    folder.mkdir(parents=True, exist_ok=True)
    deploy = ROOT / "models" / f"{model}_deploy.prototxt"
    net = read_net(deploy)
    graph = build_graph(net, TEST)
    (name,), (output,) = graph.inputs, graph.outputs
    for format, file in (("pytorch", "net.py"), ("onnx", "net.onnx")):
        made = folder / file
        if not made.exists():
            code = netspec(
                ["convert", str(deploy), "--to", format, "-o", str(made), "--no-verify"]
            )
            if code:
                raise SystemExit(f"{model} could not be converted to {format}")
    (folder / "net.prototxt").write_text(to_text(net.message))
    shape = graph.blobs[name][1:]
    (folder / "solver.prototxt").write_text(_solver(net.message, name, shape))
    facts = {
        "input": name,
        "shape": shape,
        "classes": graph.blobs[output][1],
        "torch_class": _class_name(folder / "net.py"),
    }
    (folder / "facts.json").write_text(json.dumps(facts))


def _class_name(path: Path) -> str:
    found = re.search(r"^class (\w+)\(nn\.Module\)", path.read_text(), re.MULTILINE)
    assert found
    return found[1]


def _solver(net: NetParameter, name: str, shape: tuple[int, ...]) -> str:
    """A solver with the training net inside; BATCH stands for its batch size."""
    train = NetParameter()
    train.CopyFrom(net)
    del train.layer[:]
    train.layer.append(_source(name, shape))
    for layer in net.layer:
        if layer.type not in ("Input", "Softmax"):
            train.layer.add().CopyFrom(layer)
    scores = next(layer.bottom[0] for layer in net.layer if layer.type == "Softmax")
    train.layer.add(
        name="loss", type="SoftmaxWithLoss", bottom=[scores, "label"], top=["loss"]
    )
    _fill(train)
    solver = SolverParameter(
        net_param=train, base_lr=1e-5, momentum=0.9, weight_decay=0.0005,
        lr_policy="fixed", max_iter=10**6, snapshot_after_train=False,
    )  # fmt: skip
    return to_text(solver).replace(f"batch_size: {STAND_IN}", "batch_size: BATCH")


STAND_IN = 123456789


def _source(name: str, shape: tuple[int, ...]) -> LayerParameter:
    layer = LayerParameter(name="data", type="MemoryData", top=[name, "label"])
    param = layer.memory_data_param
    param.batch_size = STAND_IN
    param.channels, param.height, param.width = shape
    return layer


def _fill(net: NetParameter) -> None:
    """Deploy files have no fillers: start from numbers that neither die nor explode."""
    for layer in net.layer:
        for param in (layer.convolution_param, layer.inner_product_param):
            if param.num_output and not param.HasField("weight_filler"):
                param.weight_filler.type = "msra"
