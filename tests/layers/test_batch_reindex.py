from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import DataError, SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, infer

TEXT = 'type: "BatchReindex"'
INDEX = np.array([2.0, 0, 2, 3, 2])


@pytest.mark.parametrize("shape", [(4, 3, 2), (4,)])
def test_gradient(shape):
    check_layer(Trial(TEXT, [shape, INDEX], gradient=[True, False]))


@pytest.mark.parametrize("ops", both_ops())
def test_values_by_loops(ops):
    options = {"ops": ops, "dtype": np.float32, "gradient": [True, False]}
    trial = Trial(TEXT, [(4, 3, 2), INDEX], **options)
    (top,) = trial.forward()
    dy = trial.rng.standard_normal(top.shape).astype(np.float32)
    expected = np.zeros((4, 3, 2), np.float32)
    for i, row in enumerate(INDEX):
        np.testing.assert_array_equal(top[i], trial.start[0][int(row)])
        expected[int(row)] += dy[i]
    np.testing.assert_array_equal(trial.backward([dy])[0], expected)
    assert trial.layer.couples_batch(trial.shapes)


@pytest.mark.parametrize(("value", "printed"), [(4, "4"), (-1, "-1"), (np.nan, "nan")])
def test_an_index_that_is_no_row_is_named(value, printed):
    trial = Trial(TEXT, [(4, 3), np.array([0, value])])
    with pytest.raises(DataError) as caught:
        trial.forward()
    assert str(caught.value) == (
        f"index {printed} is outside 0 to 3: there are 4 rows.\n  Correct the indices."
    )


@pytest.mark.parametrize("shapes", [((4, 3), (5, 1)), ((), (5,))])
def test_what_is_refused(shapes):
    with pytest.raises(SpecError) as caught:
        infer(TEXT, shapes)
    assert "Bottom 0 must have rows, bottom 1 one axis, of indices." in str(
        caught.value
    )


def test_indices_have_no_gradient():
    trial = Trial(TEXT, [(4, 3), INDEX])
    trial.forward()
    with pytest.raises(SpecError, match="has no gradient for its indices"):
        trial.backward()


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("BatchReindex"))
def test_golden(case, device):
    check_layer_case(case, device)
