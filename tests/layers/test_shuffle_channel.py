from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.layers.harness import Trial, check_layer, infer

TEXT = 'type: "ShuffleChannel" shuffle_channel_param { group: 3 }'


@pytest.mark.smoke
def test_channels_of_the_groups_in_turn():
    trial = Trial(TEXT, [(2, 6, 4, 5)])
    (y,), x = trial.forward(), trial.start[0]
    np.testing.assert_array_equal(y, x[:, [0, 2, 4, 1, 3, 5]])
    check_layer(trial)


def test_two_axes_will_do():
    np.testing.assert_array_equal(
        Trial(TEXT, [np.arange(9.0)[None]]).forward()[0][0], [0, 3, 6, 1, 4, 7, 2, 5, 8]
    )


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (0, "group is 0.\n  Choose at least 1."),
        (
            4,
            "group 4 does not divide the channels of the bottom, 2x6x4x5.\n"
            "  Choose a divisor of axis 1.",
        ),
    ],
)
def test_what_is_refused(group, message):
    with pytest.raises(SpecError) as caught:
        infer(TEXT.replace("3", str(group)), ((2, 6, 4, 5),))
    assert str(caught.value) == message
