"""netspec log: numbers out of the logs of Caffe, of its forks and of netspec."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET

import pytest
from PIL import Image

from netspec.cli.main import main
from netspec.report.glog import GlogReporter
from netspec.report.jsonl import JsonLinesReporter
from netspec.report.training_log import read_log, table_of
from netspec.solver.events import Iteration, LastLoss, Output, TestResult, TestStarted

CAFFE = """Log file created at: 2015/12/31 23:59:50
I1231 23:59:50.000000  7 caffe.cpp:1] something
I1231 23:59:58.500000  7 solver.cpp:1] Solving a net
I1231 23:59:59.000000  7 solver.cpp:1] Iteration 0, Testing net (#0)
I1231 23:59:59.100000  7 solver.cpp:1] Test loss: 2.5
I1231 23:59:59.200000  7 solver.cpp:1]     Test net output #0: per class = 0.5
I1231 23:59:59.200000  7 solver.cpp:1]     Test net output #1: per class = 0.25
I0101 00:00:01.000000  7 solver.cpp:1] Iteration 0, loss = 3e-05
I0101 00:00:01.000000  7 solver.cpp:1]     Train net output #0: l = 1 (* 2 = 2 loss)
I0101 00:00:01.000000  7 sgd_solver.cpp:1] Iteration 0, lr = 0.01
I0101 00:00:02.500000  7 solver.cpp:1] Iteration 20 (3.5 iter/s, 2s/20 iter), loss = nan
I0101 00:00:02.500000  7 solver.cpp:1]     Train net output #0: l = -nan (* 2 = -nan)
I0101 00:00:02.500000  7 sgd_solver.cpp:1] Iteration 20, lr = 1e-3
I0101 00:00:03.000000  7 solver.cpp:1] Iteration 30, loss = 0.125
I0101 00:00:03.500000  7 solver.cpp:1] Optimization Done.
"""
# NVIDIA's fork: two threads, rates told twice, more behind them; years in the prefix.
FORK = """I20240229 10:00:00.000000 1 solver.cpp:1] Solving n
I20240229 10:00:01.000000 1 solver.cpp:1] [0] Iteration 79 (312 iter/s, 0.2s/79 iter), 1.2/9ep, loss = 0.35
I20240229 10:00:01.000000 2 sgd_solver.cpp:1] [1] Iteration 79, lr = 0.5, m = 0.9, wd = 0.0005
I20240229 10:00:01.000000 1 solver.cpp:1] [0]     Train net output #0: loss = 0.36
I20240229 10:00:01.000000 1 sgd_solver.cpp:1] [0] Iteration 79, lr = 0.5, m = 0.9
I20240229 10:00:03.000000 1 solver.cpp:1] Iteration 80, Testing net (#0)
I20240229 10:00:03.000000 1 solver.cpp:1] Test net output #0: top1 = 0.75
I20240229 10:00:04.000000 1 solver.cpp:1] Iteration 80, Testing net (#1)
I20240229 10:00:05.000000 1 solver.cpp:1] Test net output #0: top5 = 1
"""  # noqa: E501
# Caffe of 2014 told the rate first.
OLD = """I0425 10:13:04.672341  9 solver.cpp:208] Iteration 200, lr = 0.02
I0425 10:13:04.672637  9 solver.cpp:65] Iteration 200, loss = 6.5
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in (("caffe", CAFFE), ("fork", FORK), ("old", OLD)):
        (tmp_path / f"{name}.log").write_text(text)
    return tmp_path


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.smoke
def test_caffes_log(folder, capsys):
    assert main(["log", "parse", "caffe.log", "."]) == 0
    said = capsys.readouterr().out
    assert said == "caffe.log.train: 3 rows\ncaffe.log.test: 1 rows\n"
    assert rows((folder / "caffe.log.train").read_text()) == [
        ["NumIters", "Seconds", "LearningRate", "SmoothedLoss", "l"],
        ["0", "2.5", "0.01", "3e-05", "1"],  # over the turn of the year
        ["20", "4", "0.001", "nan", "nan"],
        ["30", "4.5", "", "0.125", ""],
    ]
    assert rows((folder / "caffe.log.test").read_text()) == [
        [
            *["NumIters", "Seconds", "LearningRate", "TestLoss"],
            "per class",
            "per class[1]",
        ],
        ["0", "0.5", "", "2.5", "0.5", "0.25"],
    ]


def test_the_log_of_a_fork_with_two_test_nets(folder, capsys):
    assert main(["log", "parse", "fork.log", "--print", "train"]) == 0
    assert rows(capsys.readouterr().out)[1:] == [["79", "1", "0.5", "0.35", "0.36"]]
    assert main(["log", "parse", "fork.log", "--print", "test"]) == 0
    assert rows(capsys.readouterr().out) == [
        ["NumIters", "Seconds", "LearningRate", "TestNet", "top1", "top5"],
        ["80", "3", "0.5", "0", "0.75", ""],
        ["80", "4", "0.5", "1", "", "1"],
    ]
    assert not list(folder.glob("*.test"))


def test_a_log_of_2014_with_another_delimiter(folder, capsys):
    args = ["log", "parse", "old.log", "--print", "train", "--delimiter", ";"]
    assert main(args) == 0
    assert capsys.readouterr().out.splitlines()[1] == "200;0.000296;0.02;6.5"


def test_both_of_netspecs_logs_tell_the_same(tmp_path):
    out = (Output("loss", (0.5, 0.25), 1.0),)
    events = [
        TestStarted(0, 0),
        TestResult(0, 0, (Output("acc", (0.125,)),), 10, 1.0, True, 1.75),
        Iteration(0, 0.7, 0.6, 0.01, 4, True, outputs=out),
        Iteration(1, float("nan"), float("nan"), 0.001, 4, True, outputs=out),
        LastLoss(2, 0.375),
    ]
    tables = []
    for kind in (GlogReporter, JsonLinesReporter):
        path = tmp_path / f"{kind.__name__}.log"
        with path.open("w") as file:
            reporter = kind(file)
            for event in events:
                reporter(event)
        log = read_log(path)
        parts = [table_of(part) for part in (log.train, log.test)]
        tables.append([[r[:1] + r[2:] for r in part] for part in parts])
    glog, jsonl = tables
    assert glog[0][-1] == ["2", "", "0.375", "", ""]
    assert jsonl[0][-1] == ["2", "", "0.375", "", ""]
    assert glog[0][:-1] == jsonl[0][:-1]
    assert jsonl[0][1] == ["0", "0.01", "0.6", "0.5", "0.25"]
    assert glog[1][1][2:] == jsonl[1][1][2:] == ["1.75", "0.125"]


def test_a_last_line_of_json_that_was_cut_off_is_left_out(tmp_path):
    event = {"event": "Iteration", "time": 9.0, "iteration": 4, "rate": 1,
             "smoothed": 2, "outputs": []}  # fmt: skip
    path = tmp_path / "log"
    path.write_text(json.dumps(event) + '\n{"event": "It')
    (row,) = read_log(path).train
    assert (row.iteration, row.seconds, row.values) == (4, 0, {"SmoothedLoss": 2})


# text of a log, and what is said of it
BAD = {
    "nothing": ("hello\n", "log 'bad.log' tells of no iteration and no test."),
    "empty": ("", "log 'bad.log' tells of no iteration and no test."),
    "foreign json": ('{"a": 1}\n{"a": 2}\n', "bad.log:1: is no event of training."),
    "no outputs": (
        '{"event": "Iteration", "time": 1, "iteration": 1, "rate": 1, "smoothed": 1}\n',
        "bad.log:1: is no event of training.",
    ),
    "broken inside": ('{"event": \n{}\n', "bad.log:1: is no event of training."),
    "deep": ("{" + '"a":{' * 99999 + "\n{}\n", "bad.log:1: is no event of training."),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_log(folder, capsys, name):
    text, said = BAD[name]
    (folder / "bad.log").write_text(text)
    assert main(["log", "parse", "bad.log"]) == 4
    assert said in capsys.readouterr().err


def test_other_mistakes(folder, capsys):
    for args, code, said in (
        ("parse none.log", 4, "cannot read log 'none.log': No such file"),
        ("parse old.log --delimiter ab", 2, "'ab' is not one character"),
        ("plot old.log -o a.pdf", 2, "cannot be drawn as 'pdf'"),
        ("plot old.log -o a.png --show train:los", 2, "no log has 'train:los'"),
        ("plot old.log -o a.png --show test:SmoothedLoss", 2, "Did you mean 'train:"),
    ):
        assert main(["log", *args.split()]) == code, args
        assert said in capsys.readouterr().err, args


def test_plots(folder, capsys):
    assert main(["log", "plot", "fork.log", "caffe.log", "-o", "a.svg"]) == 0
    assert capsys.readouterr().out == "wrote a.svg: 7 rows of 2 log(s)\n"
    texts = [e.text for e in ET.parse("a.svg").iter() if e.tag.endswith("text")]
    assert {"fork.log train:SmoothedLoss", "fork.log test:top1 #0"} <= set(texts)
    args = "plot caffe.log -o a.png --show train:lr --x seconds --log-scale"
    assert main(["log", *args.split()]) == 0
    with Image.open("a.png") as image:
        assert image.size[0] == 860
        colours = {colour for _, colour in image.getcolors(1 << 20)}
    assert (0x1F, 0x77, 0xB4) in colours  # the first line's


def test_a_real_log_of_caffe(shared_data):
    log = read_log(shared_data / "models" / "cifar10_quick_v1" / "train_log.txt")
    train, test = table_of(log.train), table_of(log.test)
    assert train[0] == ["NumIters", "Seconds", "LearningRate", "SmoothedLoss", "loss"]
    assert train[2] == ["100", "26.84336", "0.001", "1.68744", "1.68744"]
    assert test[-1] == ["5000", "1214.16251", "0.0001", "0.7491", "0.74817"]
    assert (len(train), len(test)) == (53, 13)
