"""The command line: every mistake is one clear message and the right exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from netspec.cli.main import COMMANDS, main

NET = """name: "n"
layer { name: "x" type: "Input" top: "x"
  input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c"
  convolution_param { num_output: 5 kernel_size: 3
    weight_filler { type: "xavier" } } }
"""
V1 = """name: "old"
input: "x" input_dim: 2 input_dim: 3 input_dim: 8 input_dim: 8
layers { name: "c" type: CONVOLUTION bottom: "x" top: "c" blobs_lr: 1 blobs_lr: 2
  convolution_param { num_output: 5 kernel_size: 3 } }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "v1.prototxt").write_text(V1)
    (tmp_path / "bad.prototxt").write_text(NET.replace("kernel_size", "kernel_sise"))
    (tmp_path / "big.prototxt").write_text(NET.replace("size: 3", "size: 9"))
    return tmp_path


# arguments, exit code, and what standard error says
MISTAKES = {
    "unknown command": ("trian", 2, "netspec: unknown command 'trian'."),
    "no solver": (
        "train",
        2,
        "netspec: the following arguments are required: --solver",
    ),
    "missing solver": (
        "train --solver no.prototxt",
        3,
        "netspec: no.prototxt: there is no such file.",
    ),
    "net for a solver": ("train --solver net.prototxt", 3, "netspec: net.prototxt:"),
    "setting without =": (
        "train --solver models/digits_solver.prototxt --set base_lr",
        2,
        "netspec: --set 'base_lr' has no '='.\n  Write --set FIELD=VALUE.",
    ),
    "unknown setting": (
        "train --solver models/digits_solver.prototxt --set base_rl=1",
        2,
        "netspec: --set: the solver has no plain field 'base_rl'.\n"
        "  Did you mean 'base_lr'?",
    ),
    "setting of another kind": (
        "train --solver models/digits_solver.prototxt --set max_iter=many",
        2,
        "netspec: --set max_iter=many: ",
    ),
    "misspelt field": (
        "summary bad.prototxt",
        3,
        "netspec: bad.prototxt:5:37: layer 'c' (Convolution): ",
    ),
    "kernel too large": (
        "time --model big.prototxt",
        3,
        "netspec: big.prototxt:5:37: layer 'c' (Convolution): kernel 9x9 does not fit",
    ),
    "no weights": (
        "test --model net.prototxt --weights no.caffemodel --iterations 1",
        4,
        "netspec: no.caffemodel: ",
    ),
    "no data and no iterations": (
        "test --model net.prototxt --weights no.caffemodel",
        2,
        "netspec: the net has no data layer, so its whole set is nothing.\n"
        "  Give --iterations, or a net with a data layer.",
    ),
    "no iterations": ("time --model net.prototxt --iterations 0", 2, "netspec: "),
    "unknown device": (
        "time --model net.prototxt --device gpux",
        5,
        "netspec: unknown",
    ),
    "upgrade into nowhere": (
        "upgrade v1.prototxt nowhere/new.prototxt",
        4,
        "netspec: nowhere/new.prototxt: cannot be written: there is no folder",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(folder: Path, case: str, capsys: pytest.CaptureFixture) -> None:
    line, code, message = MISTAKES[case]
    assert main(line.split()) == code
    errors = capsys.readouterr().err
    assert errors.startswith(message), errors
    assert "Traceback" not in errors


@pytest.mark.smoke
def test_help_names_every_command_and_is_quick_to_import() -> None:
    code = "import sys; from netspec.cli.main import main; main(['--help']); " + (
        "heavy = {'numpy', 'numba', 'scipy', 'google.protobuf', 'PIL', 'rich'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert f"usage: netspec {command}" in capsys.readouterr().out


def test_check_reads_several_files_and_fails_for_the_bad_one(folder, capsys) -> None:
    assert main(["check", "net.prototxt", "v1.prototxt"]) == 0
    assert "upgraded" in capsys.readouterr().out
    assert main(["check", "net.prototxt", "bad.prototxt", "big.prototxt"]) == 3
    out = capsys.readouterr().out
    assert "net.prototxt: good" in out
    assert "bad.prototxt: 1 error(s)" in out
    assert "big.prototxt: 1 error(s)" in out


def test_check_counts_advice_as_an_error_when_strict(folder: Path) -> None:
    norm = 'layer { name: "n" type: "BatchNorm" bottom: "c" top: "c" }'
    (folder / "odd.prototxt").write_text(NET + norm)
    assert main(["check", "odd.prototxt"]) == 0
    assert main(["check", "--strict", "odd.prototxt"]) == 1


def test_upgrade_writes_what_means_the_same(folder: Path, capsys) -> None:
    assert main(["upgrade", "v1.prototxt", "new.prototxt"]) == 0
    assert main(["upgrade", "new.prototxt", "new.binaryproto"]) == 0
    for file in ("new.prototxt", "new.binaryproto"):
        assert main(["summary", file, "--json", "-"]) == 0
    assert "layers {" not in (folder / "new.prototxt").read_text()
    capsys.readouterr()
    assert main(["check", "new.prototxt"]) == 0
    assert "upgraded" not in capsys.readouterr().out


def test_summary_as_json(folder: Path, capsys) -> None:
    assert main(["summary", "net.prototxt", "--batch", "7", "--json", "-"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["total"] == {
        "parameters": 5 * 3 * 9 + 5,
        "macs": 7 * 5 * 6 * 6 * 27,
        "activation_bytes": 4 * 7 * (3 * 8 * 8 + 5 * 6 * 6),
    }
    assert summary["layers"][1]["receptive"] == [3, 3]
    assert summary["outputs"] == {"c": [7, 5, 6, 6]}


def test_time_gives_every_layer(folder: Path, capsys) -> None:
    code = main(["time", "--model", "net.prototxt", "--iterations", "2", "--json", "t"])
    assert code == 0
    timing = json.loads((folder / "t").read_text())
    assert [layer["name"] for layer in timing["layers"]] == ["x", "c"]
    assert timing["batch"] == 2
    shown = capsys.readouterr().out
    assert "images/s" in shown
    layer = timing["layers"][1]
    share = 100 * layer["forward_macs"] / layer["forward"] / timing["peak"]
    assert f"{share:.0f} %" in shown
