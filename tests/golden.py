"""Caffe's own layer cases: build each net, set what Caffe had, compare what it got."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.net import Net
from tests.conftest import shared_data_folder

PHASES = {"TRAIN": "train", "TEST": "test"}


def golden_folder() -> Path:
    return shared_data_folder() / "caffe_golden"


def layer_cases(*types: str) -> list[Any]:
    """Parameters for a test: the cases that try one of these layer types."""
    index = golden_folder() / "layers" / "index.json"
    if not index.is_file():
        reason = f"no golden data at {golden_folder()}: set NETSPEC_TEST_DATA"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    cases = json.loads(index.read_text())["cases"]
    return [pytest.param(c, id=c["name"]) for c in cases if c["type"] in types]


def check_layer_case(
    case: dict[str, Any], device: str, relative: float = 1e-5, lean: bool = False
) -> None:
    """Run one case on a backend and compare every number Caffe recorded."""
    GoldenRun(case, device, lean).check(relative)


class GoldenRun:
    """One case in progress."""

    def __init__(self, case: dict[str, Any], device: str, lean: bool) -> None:
        folder = golden_folder() / "layers"
        self.case = case
        self.recorded = dict(np.load(folder / f"{case['name']}.npz"))
        self.net = Net(
            folder / f"{case['name']}.prototxt",
            phase=PHASES[case["phase"]],
            level=case["level"],
            stages=case["stages"],
            device=device,
            lean=lean,
        )

    def check(self, relative: float) -> None:
        self.relative = relative
        self.set_params()
        for prefix in ("in", "in2", "in3")[: self.case["passes"]]:
            self.net.forward(**self.named(prefix))
        self.compare_forward()
        if not self.case["forward_only"]:
            self.backward()
            self.compare_backward()

    def named(self, prefix: str) -> dict[str, np.ndarray]:
        start = prefix + ":"
        return {
            k[len(start) :]: v for k, v in self.recorded.items() if k.startswith(start)
        }

    def param(self, key: str) -> Any:
        layer, index = key.rsplit(":", 1)
        return self.net.params[layer][int(index)]

    def set_params(self) -> None:
        for key, value in self.named("param").items():
            self.param(key).data[...] = value

    def compare_forward(self) -> None:
        for name, expected in self.named("out").items():
            self.close(f"out {name}", self.net.blobs[name].data, expected)
        for key, expected in self.named("paramout").items():
            self.close(f"param {key}", self.param(key).data, expected)
        if "loss" in self.recorded:
            self.close("loss", np.float32(self.net.loss), self.recorded["loss"])

    def backward(self) -> None:
        for name, diff in self.named("topdiff").items():
            self.net.blobs[name].diff[...] = diff
        self.net.clear_param_diffs()
        self.net.backward_pass()

    def compare_backward(self) -> None:
        for name, expected in self.named("indiff").items():
            self.close(f"diff of {name}", self.net.blobs[name].diff, expected)
        for key, expected in self.named("paramdiff").items():
            self.close(f"diff of param {key}", self.param(key).diff, expected)

    def close(self, what: str, found: Any, expected: np.ndarray) -> None:
        """Within *relative* of the largest value, as float32 sums allow."""
        assert np.shape(found) == np.shape(expected), what
        scale = float(np.max(np.abs(expected), initial=1e-1))
        np.testing.assert_allclose(
            found,
            expected,
            rtol=self.relative,
            atol=self.relative * scale,
            err_msg=what,
        )
