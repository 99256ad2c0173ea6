from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, infer


def text(param: str) -> str:
    return f'type: "Tile" tile_param {{ {param} }}'


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gradient(axis):
    check_layer(Trial(text(f"tiles: 3 axis: {axis}"), [(2, 3, 5)]))


@pytest.mark.parametrize("ops", both_ops())
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_values(axis, ops):
    param = text(f"tiles: 3 axis: {axis}")
    trial = Trial(param, [(2, 3, 5)], ops=ops, dtype=np.float32)
    expected = np.concatenate([trial.start[0]] * 3, axis)
    np.testing.assert_array_equal(trial.forward()[0], expected)
    dy = np.arange(90.0).reshape(expected.shape)
    parts = np.split(dy, 3, axis)
    np.testing.assert_array_equal(trial.backward([dy])[0], sum(parts))
    assert trial.layer.couples_batch(trial.shapes) is (axis == 0)


@pytest.mark.parametrize(
    ("param", "message"),
    [
        ("", "tiles is missing.\n  It must be at least 1."),
        ("tiles: 0", "tiles is 0.\n  It must be at least 1."),
        ("tiles: -2", "tiles is -2.\n  It must be at least 1."),
        (
            "tiles: 2 axis: 3",
            "tile_param.axis 3 is out of range for a blob of 3 axes.\n"
            "  Choose from -3 to 2.",
        ),
    ],
)
def test_what_is_refused(param, message):
    with pytest.raises(SpecError) as caught:
        infer(text(param), ((2, 3, 4),))
    assert str(caught.value) == message


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Tile"))
def test_golden(case, device):
    check_layer_case(case, device)
