"""Protocols and features on a GPU: what the CPU finds."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.cli.main import main
from netspec.evaluate.extract import Extractor
from tests.cudasim.training import cuda, make_files

__all__ = ["cuda"]


@pytest.fixture
def trained(cuda, tmp_path, capsys):
    """Net and weights."""
    solver = make_files(tmp_path, "lenet", "max_iter: 1")
    assert main(["train", "--solver", str(solver), "--quiet"]) == 0
    return tmp_path / "net.prototxt", tmp_path / "snap" / "t_iter_1.caffemodel"


def test_dense_testing(trained, tmp_path, capsys):
    """The net as convolutions, over pictures larger than its crop."""
    net, weights = map(str, trained)
    found = []
    for device in (["--device", "cpu"], ["--gpu", "0"], ["--gpu", "0", "--precision",
                   "tf32"]):  # fmt: skip
        file = tmp_path / f"{len(found)}.npz"
        given = ["--protocol", "dense", "--scales", "32", "--data", f"{tmp_path}/db"]
        options = ["--model", net, "--weights", weights, "--per-image", str(file)]
        code = main(["test", *options, *given, *device])
        assert code == 0, capsys.readouterr().err
        with np.load(file) as stored:
            found.append(stored["posteriors"])
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    np.testing.assert_allclose(found[0], found[2], atol=1e-2)


def test_features(trained, tmp_path):
    net, weights = map(str, trained)
    found = []
    for device in ("cpu", "cuda"):
        made = Extractor(net, weights, ["conv2", "ip1"], device=device)
        pictures = np.random.default_rng(0).normal(size=(3, 1, 28, 28))
        found.append(made.runner.run(made.runner.form, pictures.astype(np.float32)))
    for name in ("conv2", "ip1"):
        assert type(found[1][name]) is np.ndarray
        np.testing.assert_allclose(found[0][name], found[1][name], atol=1e-4)
