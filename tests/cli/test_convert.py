"""The commands convert and diff: exit codes, certificates, mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netspec.cli.main import main
from tests.convert.helpers import MODELS, needs

pytestmark = pytest.mark.filterwarnings("ignore")
LENET = str(MODELS / "lenet_deploy.prototxt")
TRAINED = "lenet_mnist_v1/lenet_iter_10000.caffemodel"


def test_convert_prints_and_writes_the_certificate(
    tmp_path, capsys, shared_data
) -> None:
    needs("onnxruntime")
    weights = shared_data / "models" / TRAINED
    out = tmp_path / "lenet.onnx"
    assert main(["convert", LENET, "--weights", str(weights), "-o", str(out)]) == 0
    printed = capsys.readouterr().out
    assert (
        "verified: 7 blobs of netspec's lenet and the ONNX file in ONNX Runtime"
        in printed
    )
    held = json.loads((tmp_path / "lenet.onnx.certificate.json").read_text())
    assert held["verdict"] == "pass"
    assert {"netspec", "numpy", "onnx", "onnxruntime", "python"} == set(held["tools"])
    assert [f["bytes"] for f in held["second"]["files"]] == [out.stat().st_size]
    assert len(held["first"]["files"][0]["sha256"]) == 64
    assert len(held["trials"]) == 2
    shapes = [trial["inputs"]["data"]["shape"] for trial in held["trials"]]
    assert shapes == [[1, 1, 28, 28], [3, 1, 28, 28]]
    blob = held["trials"][0]["blobs"][0]
    assert set(blob) == {
        "name", "shape", "max_abs", "max_rel", "cosine", "problem", "passes"
    }  # fmt: skip


def test_a_conversion_that_differs_exits_with_1(tmp_path, capsys, monkeypatch) -> None:
    needs("onnxruntime")
    from netspec.convert import verify

    monkeypatch.setattr(verify, "TOLERANCE", 0)
    monkeypatch.setattr(verify.verify, "__defaults__", (0, -1.0, None))
    assert main(["convert", LENET, "-o", str(tmp_path / "x.onnx")]) == 1
    assert "FAILED: 7 of 7 blobs" in capsys.readouterr().out


def test_a_conversion_that_cannot_be_verified_says_so(
    tmp_path, capsys, monkeypatch
) -> None:
    needs("onnx")
    from netspec.convert.to_onnx import run

    monkeypatch.setattr(run, "installed", lambda name: False)
    out = tmp_path / "x.onnx"
    assert main(["convert", LENET, "-o", str(out)]) == 0
    printed = capsys.readouterr()
    assert "not verified: onnxruntime is not installed" in printed.out
    assert "NOT verified" in printed.err
    held = json.loads((tmp_path / "x.onnx.certificate.json").read_text())
    assert held["verdict"] == "not run"


def test_onnx_that_is_not_installed(tmp_path, capsys, monkeypatch) -> None:
    from netspec.convert import extras

    def missing(name: str):
        raise ImportError(name)

    monkeypatch.setattr(extras, "import_module", missing)
    assert main(["convert", LENET, "-o", str(tmp_path / "x.onnx")]) == 2
    assert capsys.readouterr().err == (
        "netspec: ONNX needs onnx, which is not installed.\n"
        "  pip install 'netspec[onnx]'\n"
    )


MISTAKES = [
    (["convert", LENET, "-o", "x.bin"], "the name 'x.bin' does not tell the format."),
    (["convert", LENET, "-o", "x", "--to", "onix"],
     "unknown format 'onix'.\n  Did you mean 'onnx'?"),
    (["convert", "nowhere.prototxt", "-o", "x.onnx"],
     "nowhere.prototxt: the file cannot be read: no such file or directory."),
    (["convert", LENET, "-o", "x.onnx", "--fold"],
     "nothing is known of this model's preprocessing, so nothing can be folded."),
    (["convert", LENET, "-o", "x.onnx", "--batch", "0"],
     "argument --batch: must be at least 1"),
    (["convert", LENET, "-o", "x.onnx", "--input", "3,4"],
     "argument --input: '3,4' is not BLOB=C,H,W"),
    (["diff", LENET, "nowhere.prototxt"], "nowhere.prototxt: the file cannot be read"),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "expected"), MISTAKES)
def test_mistakes(
    argv: list[str], expected: str, tmp_path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(argv) in (2, 4)
    assert expected in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_deploy_from_a_training_net(tmp_path: Path, capsys) -> None:
    out = tmp_path / "deploy.prototxt"
    source = str(MODELS / "digits_train_val.prototxt")
    assert (
        main(["convert", source, "--to", "deploy", "-o", str(out), "--batch", "7"]) == 0
    )
    assert "dim: 7 dim: 1 dim: 8 dim: 8" in out.read_text()
    assert '"scale": [0.0625]' in (tmp_path / "deploy.preprocess.json").read_text()
    assert "loss 'loss' gives way to 'prob' (Softmax)." in capsys.readouterr().out


def test_fullyconv_with_weights(tmp_path: Path, shared_data, capsys) -> None:
    weights = str(shared_data / "models" / TRAINED)
    out = tmp_path / "dense.prototxt"
    argv = ["convert", LENET, "--weights", weights, "--to", "fullyconv", "-o", str(out)]
    assert main(argv) == 0
    assert "now convolutions: ip1 (4x4), ip2 (1x1)." in capsys.readouterr().out
    from netspec.net import Net

    net = Net(out, tmp_path / "dense.caffemodel")
    net.reshape(data=(1, 1, 36, 44))
    assert net.blobs["prob"].shape == (1, 10, 3, 5)


def test_diff_exits_with_1_where_anything_differs(
    tmp_path: Path, capsys, shared_data
) -> None:
    weights = str(shared_data / "models" / TRAINED)
    assert main(["diff", LENET, LENET, "--weights", weights]) == 0
    capsys.readouterr()
    other = str(MODELS / "cifar10_quick_deploy.prototxt")
    argv = ["diff", LENET, other, "--only", "spec", "--json", str(tmp_path / "d.json")]
    assert main(argv) == 1
    assert (
        "layer 'conv1' convolution_param.num_output: 20 -> 32"
        in capsys.readouterr().out
    )
    held = json.loads((tmp_path / "d.json").read_text())
    assert held["equal"] is False
    assert held["weights"] is None
