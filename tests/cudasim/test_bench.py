"""tools/bench/gpu.py: netspec's rounds run; what they take here means nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cudasim.training import cuda

__all__ = ["cuda"]

BENCH = Path(__file__).resolve().parents[2] / "tools" / "bench"


@pytest.fixture
def bench(cuda, monkeypatch):
    if cuda is not None and cuda.settings.order != "at once":
        pytest.skip("once is enough")
    pytest.importorskip("onnx")
    monkeypatch.syspath_prepend(str(BENCH))
    import gpu

    monkeypatch.setattr(gpu, "STEPS", 1)
    monkeypatch.setattr(gpu, "PICTURES", 4)
    yield gpu
    for name in ("gpu", "contenders", "preparing", "cpu", "turns"):
        sys.modules.pop(name, None)


def test_rounds(bench, tmp_path, capsys):
    bench.prepare("lenet", tmp_path)
    bench._make_pictures(tmp_path)
    folder = bench.Folder(str(tmp_path), 2)
    for work, data in (("training", False), ("training", True), ("inference", False)):
        (milliseconds,) = bench.ROUNDS["netspec", work](folder, "fp32", data)().values()
        assert milliseconds > 0
    layers = bench.ROUNDS["netspec", "layers"](folder, "tf32", False)()
    assert layers["conv2 backward"] > 0
    assert bench.PEAKS["netspec"]() > 0
    capsys.readouterr()
