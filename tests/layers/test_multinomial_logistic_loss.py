from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import DataError, SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, infer

TEXT = 'type: "MultinomialLogisticLoss"'
RNG = np.random.default_rng(9)
PROB = RNG.dirichlet(np.ones(6), 4).reshape(4, 3, 2)
LABELS = np.array([5.0, 0, 2, 3])


def test_gradient():
    check_layer(Trial(TEXT, [PROB, LABELS]))


@pytest.mark.parametrize("ops", both_ops())
def test_value(ops):
    rows = PROB.reshape(4, 6)
    expected = -sum(np.log(p[int(k)]) for p, k in zip(rows, LABELS)) / 4
    trial = Trial(TEXT, [PROB, LABELS], ops=ops, dtype=np.float32)
    assert trial.forward()[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("ops", both_ops())
def test_probabilities_are_cut_off_at_1e_20(ops):
    prob = np.array([[1.0, 0.0]])
    trial = Trial(TEXT, [prob, np.array([1.0])], ops=ops, dtype=np.float32)
    assert trial.forward()[0] == pytest.approx(20 * np.log(10), rel=1e-6)
    np.testing.assert_allclose(trial.backward([2.0])[0], [[0, -2e20]], rtol=1e-6)


def test_shards_add_up():
    def run(rows: slice, shards: int) -> tuple[float, np.ndarray]:
        trial = Trial(TEXT, [PROB[rows], LABELS[rows]], shards=shards)
        loss = float(trial.forward()[0])
        return loss, trial.backward([0.3])[0]

    whole, parts = run(slice(0, 4), 1), [run(slice(i, i + 2), 2) for i in (0, 2)]
    assert sum(p[0] for p in parts) == pytest.approx(whole[0], rel=1e-12)
    together = np.concatenate([p[1] for p in parts])
    np.testing.assert_allclose(together, whole[1], rtol=1e-12)


def test_a_label_that_is_no_class_is_named():
    trial = Trial(TEXT, [PROB, np.array([0, -1, 1, 2])])
    with pytest.raises(DataError) as caught:
        trial.forward()
    assert "label -1 in row 1 of the batch is outside 0 to 5" in str(caught.value)


def test_what_is_refused():
    with pytest.raises(SpecError) as caught:
        infer(TEXT, ((4, 3, 2), (4, 1, 2)))
    assert str(caught.value) == (
        "bottom 1 (4x1x2) holds 8 labels for the 4 images of bottom 0 (4x3x2).\n"
        "  Give one label an image."
    )


def test_labels_have_no_gradient():
    trial = Trial(TEXT, [PROB, LABELS], gradient=[True, True])
    trial.forward()
    with pytest.raises(SpecError, match="has no gradient for its labels"):
        trial.backward([1.0])


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("MultinomialLogisticLoss"))
def test_golden(case, device):
    check_layer_case(case, device)
