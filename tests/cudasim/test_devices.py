"""What is said of GPUs: those that are there, and what is missing where none is."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from netspec.backends import cuda_support, open_device
from netspec.cli.main import main
from netspec.errors import DeviceError, UsageError
from tests.cudasim.standin import install


@pytest.fixture
def gpus():
    with install(devices=2) as world:
        yield world


def test_devices_are_listed(gpus, capsys):
    assert main(["devices"]) == 0
    lines = dict(
        line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()
    )
    assert lines["cuda"].startswith("usable: ")
    assert "CuPy 14.2.0 for CUDA 13.2" in lines["cuda"]
    assert lines["cuda:1"] == (
        "NVIDIA Stand-in, compute capability 9.0, 132 multiprocessors, 4.0 GiB, "
        "4.0 GiB free"
    )
    assert "missing" not in lines


def test_devices_as_json(gpus, capsys):
    assert main(["devices", "--json", "-"]) == 0
    facts = json.loads(capsys.readouterr().out)["cuda"]
    assert facts["usable"]
    assert [gpu["name"] for gpu in facts["gpus"]] == ["NVIDIA Stand-in"] * 2
    assert facts["driver_cuda"] == "13.2"


@pytest.mark.parametrize(
    ("name", "number"), [("cuda", 0), ("gpu", 0), ("cuda:1", 1), ("gpu:1", 1)]
)
def test_names(gpus, name, number):
    ops = open_device(name)
    assert (ops.name, ops.number) == (f"cuda:{number}", number)
    assert ops.zeros(3, "float32").device.id == number
    assert open_device(ops) is ops


def test_a_gpu_that_is_not_there(gpus):
    with pytest.raises(DeviceError, match="there is no device cuda:2") as caught:
        open_device("cuda:2")
    assert caught.value.remedy == "There is cuda:0, cuda:1."


@pytest.mark.parametrize("name", ["cuda:", "cuda:x", "cuda:-1", "gpu0", "CUDA"])
def test_names_of_nothing(name):
    with pytest.raises(DeviceError, match="unknown device"):
        open_device(name)


def test_an_unknown_precision(gpus):
    with pytest.raises(DeviceError, match="precision 'bf16' is unknown"):
        open_device("cuda", "bf16")


@pytest.mark.parametrize(
    ("capability", "precision", "told"),
    [
        ("75", "fp16", None),
        ("80", "tf32", None),
        ("75", "tf32", "is of compute capability 7.5, and tf32 needs 8.0"),
        ("61", "fp32", "is of compute capability 6.1, and fp32 needs 7.5"),
    ],
)
def test_old_gpus(capability, precision, told):
    with install(capability=capability):
        if told is None:
            assert open_device("cuda", precision).precision == precision
            return
        with pytest.raises(DeviceError, match=told):
            open_device("cuda", precision)


# What is missing ---------------------------------------------------------------------


def lack_of() -> tuple[str, str]:
    """What the error says, and the remedy: one sentence each."""
    with pytest.raises(DeviceError) as caught:
        open_device("cuda")
    prefix, found = caught.value.problem.split(": ", 1)
    assert prefix.startswith("device cuda:0 cannot be used")
    return found, caught.value.remedy


def test_no_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    found, remedy = lack_of()
    assert found == "CuPy is not installed."
    assert "pip install 'netspec[cuda13]'" in remedy
    assert "netspec[cuda12]" in remedy


def test_a_cupy_that_does_not_load(monkeypatch):
    def broken(name):
        raise ImportError("libcudart.so.13: cannot open\nmore lines")

    monkeypatch.setattr(cuda_support, "import_module", broken)
    found, remedy = lack_of()
    assert found == "CuPy does not load (libcudart.so.13: cannot open)."
    assert "pip uninstall" in remedy


def test_an_old_cupy(gpus, monkeypatch):
    monkeypatch.setattr(sys.modules["cupy"], "__version__", "13.6.0")
    assert lack_of()[0] == "CuPy is 13.6.0, and 14 is the oldest that serves."


@pytest.fixture
def runtime(gpus, monkeypatch):
    """A function that changes what the CUDA runtime answers."""
    found = sys.modules["cupy.cuda.runtime"]

    def change(name, answer):
        def call():
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(found, name, call)

    return change


def test_no_driver(runtime, capsys):
    runtime("driverGetVersion", 0)
    found, remedy = lack_of()
    assert found == "there is no NVIDIA driver."
    assert "nvidia-smi" in remedy
    assert main(["devices"]) == 0
    assert "missing   there is no NVIDIA driver." in capsys.readouterr().out


def test_an_old_driver(runtime):
    runtime("driverGetVersion", 12040)
    found, remedy = lack_of()
    assert found == "the driver knows CUDA 12.4, and CuPy is made for 13.2."
    assert "pip install 'netspec[cuda12]'" in remedy


@pytest.mark.parametrize("answer", [0, RuntimeError("cudaErrorNoDevice")])
def test_no_gpu(runtime, monkeypatch, answer):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    runtime("getDeviceCount", answer)
    assert lack_of()[0] == "the driver finds no GPU."
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert lack_of()[0] == "the driver finds no GPU (CUDA_VISIBLE_DEVICES is '')."


def test_no_compiler(gpus, monkeypatch):
    def missing():
        raise RuntimeError("libnvrtc.so.13")

    monkeypatch.setattr(sys.modules["cupy.cuda.nvrtc"], "getVersion", missing)
    found, remedy = lack_of()
    assert found == "NVRTC, which compiles kernels, is missing."
    assert remedy == "Install it: pip install 'netspec[cuda13]'."


def test_no_cublas(gpus, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy.cublas", None)
    assert lack_of()[0] == "cuBLAS, which multiplies matrices, is missing."


def test_no_headers(gpus, monkeypatch, tmp_path):
    from cuda import pathfinder

    monkeypatch.setattr(pathfinder, "find_nvidia_header_directory", lambda name: None)
    monkeypatch.setenv("CUDA_PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_HOME", raising=False)
    assert lack_of()[0].startswith("the CUDA headers (cuda_fp16.h) are missing")
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "cuda_fp16.h").touch()
    assert open_device("cuda").name == "cuda:0"


# The command line --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (["--gpu", "x"], "--gpu is 'x'."),
        (["--gpu", "0", "--device", "cpu"], "both --device and --gpu are given."),
        (["-gpu", "0,1"], "--gpu 0,1 names several GPUs"),
        (
            ["--precision", "tf32"],
            "--precision tf32 is for GPUs, and the device is cpu",
        ),
    ],
)
def test_arguments_that_make_no_sense(gpus, capsys, tmp_path, given, problem):
    net = tmp_path / "n.prototxt"
    net.write_text(
        'layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 2 } } }'
    )
    assert main(["time", "--model", str(net), *given]) == 2
    assert problem in capsys.readouterr().err


def test_all_gpus(gpus):
    from argparse import Namespace

    from netspec.cli.device_options import device_of, gpus_of

    every = Namespace(gpu="all", device=None)
    assert gpus_of(every) == [0, 1]
    assert [device_of(every, place) for place in (0, 1)] == ["cuda:0", "cuda:1"]
    with pytest.raises(UsageError, match="rank 2 of this machine has no GPU"):
        device_of(every, 2)


def test_a_gpu_is_looked_for_before_the_data(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "cupy", None)
    solver = tmp_path / "s.prototxt"
    solver.write_text('net: "nowhere" base_lr: 1 lr_policy: "fixed" max_iter: 1')
    assert main(["train", "--solver", str(solver), "-gpu", "0"]) == 5
    said = capsys.readouterr().err
    assert said.startswith(
        "netspec: device cuda:0 cannot be used: CuPy is not installed.\n"
    )
    assert main(["train", "--solver", str(solver), "-gpu", "all"]) == 5


def test_nothing_imports_cupy_unasked():
    code = (
        "import sys, netspec, netspec.cli.main, netspec.solver, netspec.backends.cpu\n"
        "import netspec.pycaffe, netspec.sync, netspec.evaluate.runner\n"
        "assert not {m.split('.')[0] for m in sys.modules} & {'cupy', 'cupyx'}"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
