from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, infer, make_layer

SHAPE = (3, 4, 2)
FORMULAS = {
    "SUM": np.sum,
    "ASUM": lambda x, axis: np.abs(x).sum(axis),
    "SUMSQ": lambda x, axis: (x * x).sum(axis),
    "MEAN": np.mean,
}
AXES = {0: (0, 1, 2), 1: (1, 2), -1: (2,)}


def text(operation: str, axis: int = 0) -> str:
    param = f"operation: {operation} axis: {axis} coeff: -1.4"
    return f'type: "Reduction" reduction_param {{ {param} }}'


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("operation", FORMULAS)
def test_gradient(operation, axis):
    check_layer(Trial(text(operation, axis), [SHAPE]))


@pytest.mark.parametrize("ops", both_ops())
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("operation", FORMULAS)
def test_values(operation, axis, ops):
    trial = Trial(text(operation, axis), [SHAPE], ops=ops, dtype=np.float32)
    x = trial.start[0].astype(float)
    expected = -1.4 * FORMULAS[operation](x, axis=AXES[axis])
    np.testing.assert_allclose(trial.forward()[0], expected, rtol=1e-6, atol=1e-6)


def test_which_bottoms_backward_reads_and_which_couple():
    reads = {op: make_layer(text(op)).backward_reads_bottom for op in FORMULAS}
    assert reads == {"SUM": False, "ASUM": True, "SUMSQ": True, "MEAN": False}
    for axis in AXES:
        couples = make_layer(text("SUM", axis)).couples_batch((SHAPE,))
        assert couples is (axis == 0)


def test_what_is_refused():
    with pytest.raises(SpecError) as caught:
        infer(text("SUM", 3), (SHAPE,))
    assert str(caught.value) == (
        "reduction_param.axis 3 is out of range for a blob of 3 axes.\n"
        "  Choose from -3 to 2."
    )


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Reduction"))
def test_golden(case, device):
    check_layer_case(case, device)
