"""Winograd's transforms and what they do around cuBLAS."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from netspec.backends.base import ConvolutionGeometry as Geometry
from netspec.backends.base import Epilogue
from netspec.backends.cpu.winograd import formulas
from tests.backends.convolution_cases import Arrays
from tests.cudasim.convolutions import everything, only

ONE = (1, 1)
CASES = {
    "odd": Geometry(2, 5, 6, (9, 11), (3, 3), ONE, (1, 1), ONE),
    "vectors": Geometry(3, 4, 3, (8, 12), (3, 3), ONE, (1, 1), ONE),
    "vectors_across_warps": Geometry(2, 3, 2, (7, 80), (3, 3), ONE, (0, 1), ONE),
    "unpadded": Geometry(2, 3, 7, (14, 13), (3, 3), ONE, (0, 2), ONE),
    "padded_beyond_kernel": Geometry(1, 3, 2, (6, 30), (3, 3), ONE, (3, 1), ONE),
    "groups": Geometry(2, 6, 8, (7, 10), (3, 3), ONE, (1, 0), ONE, 2),
    "less_than_a_tile": Geometry(1, 2, 3, (3, 2), (3, 3), ONE, (0, 1), ONE),
}
# The transforms add and subtract numbers larger than the result.
TOLERANCE = 2e-5


@pytest.mark.parametrize("case", CASES)
def test_against_the_reference(case, machine):
    machine.ops = only("winograd")
    machine.agree(lambda ops: everything(ops, CASES[case]), TOLERANCE)


@pytest.mark.parametrize("case", ["odd", "groups", "vectors"])
def test_in_several_runs(case, machine, monkeypatch):
    from netspec.backends.cuda.convolution import winograd

    geo = CASES[case]
    monkeypatch.setattr(winograd, "WORKSPACE", 36 * 64)
    wide = replace(geo, batch=11)
    found = list(winograd.runs(wide.batch, wide.output, 13))
    assert len(found) > 1
    assert [run.first for run in found[1:]] == [run.last for run in found[:-1]]
    machine.ops = only("winograd")
    machine.agree(lambda ops: everything(ops, wide), TOLERANCE)


def test_epilogue(machine):
    geo = CASES["odd"]
    machine.ops = only("winograd")

    def call(ops):
        a = Arrays(geo, np.float32)
        after = Epilogue(a.b, a.b**2, 0.3, a.db, a.b[::-1].copy(), relu=True)
        ops.convolution_forward(a.x, a.w, a.b, a.y, geo, after)
        return [a.y]

    machine.agree(call, TOLERANCE)


def test_workspace_does_not_depend_on_the_batch(machine):
    from netspec.backends.cuda.convolution import winograd

    sizes = {
        run.size * 36 * 128 <= winograd.WORKSPACE
        for batch in (1, 50, 1000)
        for run in winograd.runs(batch, (56, 56), 128)
    }
    assert sizes == {True}


TRANSFORMS = {
    "transform_inputs": (formulas.inputs, 6),
    "transform_output_gradients": (formulas.output_gradients, 4),
}


@pytest.mark.parametrize("kernel", TRANSFORMS)
def test_transforms_are_the_formulas(kernel, standin):
    """One tile, numbers of float64 along both axes."""
    import cupy

    from netspec.backends.cuda.launch import KernelFile, i32

    formula, span = TRANSFORMS[kernel]
    tile = np.random.default_rng(2).standard_normal((span, span))
    expected = np.array([formula(list(row)) for row in np.array(formula(list(tile)))])
    planes = cupy.empty((36, 1, 1), cupy.float32)
    numbers = (1, 0, 1, 1, 1, 1, 0, span, span, 0, 0, 0)
    source = cupy.asarray(tile.astype(np.float32))
    args = (source, planes, *map(i32, numbers))
    KernelFile("winograd").launch(kernel, (1, 1), (128,), args)
    found = planes.get().reshape(6, 6)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
