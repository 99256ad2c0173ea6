from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.layers.harness import Trial, both_ops, check_layer, infer

SHAPE = (2, 3, 4, 5)


@pytest.mark.smoke
@pytest.mark.parametrize("scale", [(2, 3), (2, 3, 1, 1)])
@pytest.mark.parametrize("ops", both_ops())
def test_values_and_gradients(scale, ops):
    trial = Trial('type: "Axpy"', [scale, SHAPE, SHAPE], ops=ops)
    a, x, z = trial.start
    np.testing.assert_allclose(trial.forward()[0], a.reshape(2, 3, 1, 1) * x + z)
    check_layer(trial)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            ((2, 4, 1, 1), SHAPE, SHAPE),
            "bottom 0 has shape 2x4x1x1, bottom 1 has 2x3x4x5.\n"
            "  Bottom 0 must hold one number for each image and channel of bottom 1.",
        ),
        (
            ((2, 3), SHAPE, (2, 3, 5, 4)),
            "bottom 2 has shape 2x3x5x4, bottom 1 has 2x3x4x5.\n"
            "  Both must have one shape.",
        ),
    ],
)
def test_what_is_refused(shapes, message):
    with pytest.raises(SpecError) as caught:
        infer('type: "Axpy"', shapes)
    assert str(caught.value) == message
