from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, check_layer, infer

TEXT = 'type: "EuclideanLoss"'


def test_gradient():
    check_layer(Trial(TEXT, [(4, 3, 2), (4, 6)]))


def test_value():
    a, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.5, 0.0], [3.0, 7.0]])
    assert Trial(TEXT, [a, b]).forward()[0] == pytest.approx((0.25 + 4 + 9) / 4)


def test_shards_add_up():
    rng = np.random.default_rng(8)
    a, b = rng.standard_normal((2, 4, 3))

    def run(rows: slice, shards: int) -> tuple[float, list[np.ndarray]]:
        trial = Trial(TEXT, [a[rows], b[rows]], shards=shards)
        loss = float(trial.forward()[0])
        return loss, trial.backward([0.7])

    whole, parts = run(slice(0, 4), 1), [run(slice(i, i + 2), 2) for i in (0, 2)]
    assert sum(p[0] for p in parts) == pytest.approx(whole[0], rel=1e-12)
    for i in (0, 1):
        together = np.concatenate([p[1][i] for p in parts])
        np.testing.assert_allclose(together, whole[1][i], rtol=1e-12)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            ((4, 3, 2), (4, 5)),
            "bottom 0 (4x3x2) has 6 values an image, bottom 1 (4x5) has 5.\n"
            "  Both must have the same number.",
        ),
        (
            ((4, 3), (3, 3)),
            "bottom 0 has shape 4x3, bottom 1 has 3x3: their batches differ.\n"
            "  Both must have the same first axis.",
        ),
        (
            ((), ()),
            "bottom 0 has shape scalar, bottom 1 has scalar: their batches differ.\n"
            "  Both must have the same first axis.",
        ),
    ],
)
def test_what_is_refused(shapes, message):
    with pytest.raises(SpecError) as caught:
        infer(TEXT, shapes)
    assert str(caught.value) == message
    assert caught.value.field == "bottom.1"


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("EuclideanLoss"))
def test_golden(case, device):
    check_layer_case(case, device)
