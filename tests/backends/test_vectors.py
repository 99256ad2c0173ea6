"""Kernels are written for vectors of any width: what narrower machines compile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from netspec.backends.cpu.vectors import WIDTH

TARGETS = {
    8: ("haswell", "+avx,+avx2,+fma,+sse4.2"),
    4: ("nehalem", "+sse4.2"),
}
PROGRAM = """
import sys
import numpy as np
from netspec.backends.cpu import CpuOps
from netspec.backends.cpu.vectors import WIDTH
from netspec.backends.numpy_ops import NumpyOps
from tests.backends import test_convolution, test_direct, test_inner_product
from tests.backends import test_lrn, test_pooling, test_windows, test_winograd

assert WIDTH == int(sys.argv[1]), WIDTH
for cases, names in (
    (test_winograd.CASES, ("groups",)),
    (test_winograd.WIDE, ("wide_groups",)),
    (test_convolution.CASES, ("stride", "group", "dilation", "one_by_one")),
    (test_direct.GATHERED, ("one_tap_more", "one_image")),
):
    for name in names:
        found = test_winograd.run(CpuOps(), cases[name])
        wanted = test_winograd.run(NumpyOps(), cases[name], float)
        for key, value in found.items():
            error = abs(value - wanted[key]).max() / abs(wanted[key]).max()
            assert error < test_winograd.TOLERANCE, (name, key, error)
for name in ("2x2_pad", "3x3_by_1", "3x3_by_2", "3x3_by_2_pad"):
    g = test_pooling.CASES[name]
    found, wanted = (test_windows.pooled(ops, g) for ops in (CpuOps(), NumpyOps()))
    for key, value in found.items():
        assert test_windows.same_bits(value, wanted[key]), (name, key)
test_inner_product.test_against_einsum((37, 83, 45), CpuOps(), np.float32, False)
test_lrn.test_against_loops("across", test_lrn.WINDOWS["strong"], CpuOps(), np.float32)
"""


@pytest.mark.parametrize("width", TARGETS)
def test_narrower_vectors(width):
    if width >= WIDTH:
        pytest.skip(f"this machine has vectors of {WIDTH}")
    cpu, features = TARGETS[width]
    target = {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features}
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", PROGRAM, str(width)]
    subprocess.run(command, check=True, cwd=root, env={**os.environ, **target})
