from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.layers.harness import Trial, check_layer, infer, make_layer

SHAPE = (2, 3, 4, 5)


def text(*order: int) -> str:
    given = " ".join(f"order: {axis}" for axis in order)
    return f'type: "Permute" permute_param {{ {given} }}'


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("order", "whole"),
    [
        ((0, 2, 3, 1), (0, 2, 3, 1)),
        ((3, 1), (3, 1, 0, 2)),  # the rest follow
        ((), (0, 1, 2, 3)),
    ],
)
def test_every_element_moves(order, whole):
    trial = Trial(text(*order), [SHAPE])
    (y,) = trial.forward()
    x = trial.start[0]
    assert y.shape == tuple(SHAPE[axis] for axis in whole)
    for at in np.ndindex(y.shape):
        there = [0] * 4
        for i, axis in enumerate(whole):
            there[axis] = at[i]
        assert y[at] == x[tuple(there)]
    check_layer(trial)


def test_what_moves_the_first_axis_couples_the_batch():
    assert not make_layer(text(0, 2)).couples_batch((SHAPE,))
    assert make_layer(text(1)).couples_batch((SHAPE,))


@pytest.mark.parametrize(
    ("order", "message", "field"),
    [
        (
            (0, 2, 0),
            "order names axis 0 twice.\n  Name each axis once.",
            "permute_param.order.2",
        ),
        (
            (0, 4),
            "order names axis 4, and the bottom has 4 axes.\n  Choose from 0 to 3.",
            "permute_param.order.1",
        ),
    ],
)
def test_what_is_refused(order, message, field):
    with pytest.raises(SpecError) as caught:
        infer(text(*order), (SHAPE,))
    assert str(caught.value) == message
    assert caught.value.field == field
