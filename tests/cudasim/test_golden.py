"""Caffe's own cases on the device, every access of every kernel checked."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tests.cudasim.harness import Machine
from tests.golden import golden_folder, layer_cases
from tests.layers.test_recurrent import WithoutFinalDiffs


def every_type() -> list[str]:
    """All layer types that have cases, and whole nets."""
    index = golden_folder() / "layers" / "index.json"
    cases = json.loads(index.read_text())["cases"] if index.is_file() else []
    return sorted({case["type"] for case in cases})


class OnDevice(WithoutFinalDiffs):
    """A case whose net's arrays are on the device."""

    def set_params(self) -> None:
        for key, value in self.named("param").items():
            self._set(self.param(key).data, value)

    def backward(self) -> None:
        for name, diff in self.named("topdiff").items():
            self._set(self.net.blobs[name].diff, diff)
        self.net.clear_param_diffs()
        self.net.backward_pass()

    def close(self, what: str, found: Any, expected: np.ndarray) -> None:
        on_host = self.net.ops.download(found) if hasattr(found, "get") else found
        super().close(what, on_host, expected)

    def _set(self, array: Any, value: np.ndarray) -> None:
        self.net.ops.upload(value, array)


@pytest.mark.parametrize("case", layer_cases(*every_type()))
def test_golden(case: dict[str, Any], machine: Machine) -> None:
    run = OnDevice(case, machine.ops.ops, lean=False)
    if machine.world is None:
        run.check(1e-5)
        return
    with machine.world.changed(mode="check"):
        run.check(1e-5)
