"""Settings of the process, the log, the stopwatch, the name ``caffe``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading

import pytest

import netspec.pycaffe as caffe
from netspec.errors import DeviceError, UsageError
from netspec.pycaffe import logs, modes

from .small import DEPLOY, X, write


def test_the_device_is_that_of_the_moment_in_every_thread(tmp_path):
    caffe.set_mode_cpu()
    seen = []
    thread = threading.Thread(target=lambda: seen.append(modes.settings().device))
    thread.start()
    thread.join()
    assert seen == ["cpu"]
    net = caffe.Net(write(tmp_path, DEPLOY), caffe.TEST)
    assert net._core.device == "cpu"


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    def absent(name):
        raise DeviceError(f"no {name} here.")

    monkeypatch.setattr(modes, "open_device", absent)
    caffe.set_device(2)
    with pytest.raises(DeviceError) as caught:
        caffe.set_mode_gpu()
    assert str(caught.value) == (
        "the GPU cannot be used: no cuda:2 here.\n"
        "  Call caffe.set_mode_cpu(), or set NETSPEC_PYCAFFE_CPU=1 to run the program "
        "as it is on the CPU."
    )
    assert modes.settings().device == "cpu"


def test_a_gpu_that_is_there_is_used(monkeypatch):
    monkeypatch.setattr(modes, "open_device", lambda name: None)
    caffe.set_mode_gpu()
    assert modes.settings().device == "cuda:0"
    caffe.set_device(3)
    assert modes.settings().device == "cuda:3"
    caffe.set_mode_cpu()
    assert modes.settings().device == "cpu"


def test_a_program_may_be_told_to_stay_on_the_cpu(monkeypatch, capsys):
    monkeypatch.setenv("NETSPEC_PYCAFFE_CPU", "1")
    caffe.set_mode_gpu()
    assert modes.settings().device == "cpu"
    assert "staying on the CPU" in capsys.readouterr().err


def test_the_seed_of_nets_made_from_now_on(tmp_path):
    path = write(tmp_path, DEPLOY)

    def score(seed):
        caffe.set_random_seed(seed)
        return caffe.Net(path, caffe.TEST).forward(data=X)["score"].tolist()

    assert score(4) == score(4) != score(5)


def test_solvers_train_alone():
    assert (caffe.solver_count(), caffe.solver_rank(), caffe.has_nccl()) == (
        1,
        0,
        False,
    )
    caffe.set_solver_count(1)
    caffe.set_solver_rank(0)
    caffe.set_multiprocess(True)
    refused = [
        (lambda: caffe.set_solver_count(2), "2 solvers are to train together"),
        (lambda: caffe.set_solver_rank(1), "this is to be solver number 1"),
        (caffe.NCCL.new_uid, "NCCL is asked for"),
        (lambda: caffe.NCCL(None, b""), "NCCL is asked for"),
    ]
    for act, text in refused:
        with pytest.raises(UsageError) as caught:
            act()
        assert str(caught.value).startswith(
            f"{text}, and a solver in Python trains alone.\n  Train with the netspec"
        )


def test_the_log_has_glogs_form(capsys):
    caffe.log("hello")
    line = capsys.readouterr().err
    assert re.fullmatch(r"I\d{4} \d\d:\d\d:\d\d\.\d{6} \d+ pycaffe:0\] hello\n", line)


def test_how_much_is_logged(capsys):
    caffe.init_log()
    caffe.log("one")
    caffe.init_log(1)
    caffe.log("two")
    logs.write("W", "three")
    caffe.init_log(0, False)
    logs.write("W", "four")
    logs.write("E", "five")
    words = re.findall(r"\] (\w+)", capsys.readouterr().err)
    assert words == ["one", "three", "five"]


def test_a_stopwatch():
    timer = caffe.Timer()
    assert timer.ms == 0
    timer.start()
    timer.start()
    first = timer.ms
    assert timer.ms == first >= 0
    timer.stop()
    assert timer.ms == first


def test_every_layer_type_is_listed():
    types = caffe.layer_type_list()
    assert {"Convolution", "Data", "InnerProduct", "SoftmaxWithLoss"} <= set(types)
    assert types == sorted(types)


PROGRAM = """
import sys
import caffe, caffe.io, caffe.draw
from caffe import layers as L, params as P
from caffe.proto import caffe_pb2
from caffe.pycaffe import Net
from caffe._caffe import Blob, log
import caffe.coord_map, caffe.classifier, caffe.detector, caffe.net_spec
assert Net is caffe.Net and caffe.io.caffe_pb2 is caffe_pb2
assert caffe.proto.caffe_pb2.NetParameter is caffe_pb2.NetParameter
n = caffe.NetSpec()
n.data = L.Input(shape=dict(dim=[1, 2]))
n.pool = L.Pooling(n.data, pool=P.Pooling.AVE)
caffe.set_mode_gpu()
log("done")
print(n.to_proto().layer[1].name, __name__, sys.argv[1:], caffe.__version__)
"""


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.mark.smoke
def test_a_program_runs_as_it_is(tmp_path):
    path = write(tmp_path, PROGRAM, "program.py")
    done = run("-m", "netspec.pycaffe", "--cpu", path, "-a", "b", GLOG_minloglevel="1")
    assert done.stdout == "pool __main__ ['-a', 'b'] 1.0.0\n", done.stderr
    assert "staying on the CPU" in done.stderr
    assert "done" not in done.stderr


def test_installing_twice_is_no_harm_and_another_caffe_is_refused(tmp_path):
    write(tmp_path, "", "caffe.py")
    text = "import netspec.pycaffe as c; c.install(); c.install(); import caffe"
    done = run("-c", f"{text}; assert caffe is c", PYTHONPATH=os.pathsep.join(sys.path))
    assert done.returncode == 0, done.stderr
    text = "import caffe; import netspec.pycaffe as c; c.install()"
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = run("-c", text, PYTHONPATH=path)
    assert "another caffe has been imported" in done.stderr
    assert "Call netspec.pycaffe.install() before" in done.stderr
