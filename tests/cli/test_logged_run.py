"""A run by Caffe's own command line, repeated by netspec's: same figures, same log."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from netspec.cli.main import main

TRAIN = (
    "train -solver solver.prototxt -weights init.caffemodel --log netspec.log --quiet"
)
TEST = (
    "test -model net.prototxt -weights end_iter_12.caffemodel -iterations 3 "
    "--json test.json"
)
# What Caffe's log parsers look for.
ITERATION = re.compile(r"Iteration (\d+)(?: \(.*\))?, loss = (\S+)")
RATE = re.compile(r"Iteration (\d+), lr = (\S+)")
TESTING = re.compile(r"Iteration (\d+), Testing net \(#0\)")
OUTPUT = re.compile(r"    (Train|Test) net output #\d+: (\w+) = (\S+)")
PREFIX = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ \w+\.cpp:\d+\] ")


@pytest.fixture
def run_folder(shared_data: Path, tmp_path: Path, monkeypatch) -> Path:
    source = shared_data / "caffe_golden" / "solvers" / "logged_run"
    folder = tmp_path / "run"
    folder.mkdir()
    for file in source.iterdir():
        shutil.copyfile(file, folder / file.name)
    monkeypatch.chdir(folder)
    return folder


def parse(log: str) -> dict:
    """The figures of a log, in the shape of the golden expected.json."""
    found: dict = {"train_loss": {}, "train_output": {}, "lr": {}, "test": {}}
    where: dict = {}
    for line in log.splitlines():
        if m := ITERATION.search(line):
            found["train_loss"][m[1]] = float(m[2])
            where = found["train_output"].setdefault(m[1], {})
        elif m := RATE.search(line):
            found["lr"][m[1]] = float(m[2])
        elif m := TESTING.search(line):
            where = found["test"].setdefault(m[1], {})
        elif m := OUTPUT.search(line):
            where[m[2]] = float(m[3])
    found["train_output"] = {k: v for k, v in found["train_output"].items() if v}
    return found


def test_the_log_has_caffes_figures(run_folder: Path) -> None:
    expected = json.loads((run_folder / "expected.json").read_text())
    code = main(TRAIN.split())
    assert code == 0
    log = (run_folder / "netspec.log").read_text()
    assert all(PREFIX.match(line) for line in log.splitlines()[2:])
    found = parse(log)
    for part in ("train_loss", "lr"):
        assert found[part] == pytest.approx(expected[part], rel=1e-4), part
    for part in ("train_output", "test"):
        assert found[part].keys() == expected[part].keys()
        for iteration, values in expected[part].items():
            assert found[part][iteration] == pytest.approx(values, rel=1e-4), part


def test_the_test_command_has_caffes_figures(run_folder: Path) -> None:
    expected = json.loads((run_folder / "expected.json").read_text())["test_command"]
    code = main(TEST.split())
    assert code == 0
    outputs = json.loads((run_folder / "test.json").read_text())["outputs"]
    found = {o["name"]: o["values"][0] for o in outputs}
    assert found == pytest.approx(expected, rel=1e-4)
