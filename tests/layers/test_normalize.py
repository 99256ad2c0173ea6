from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from netspec.proto import FillerParameter
from tests.layers.harness import Trial, check_layer, infer, make_layer

SHAPE = (2, 3, 4, 5)


def text(param: str) -> str:
    return f'type: "Normalize" norm_param {{ eps: 0.25 {param} }}'


@pytest.mark.smoke
@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_lengths_and_gradients(across, shared):
    given = (
        f"across_spatial: {str(across).lower()} channel_shared: {str(shared).lower()}"
    )
    scale = np.array(1.7) if shared else np.array([0.6, -1.3, 2.0])
    trial = Trial(text(given), [SHAPE], params=[scale])
    (y,), x = trial.forward(), trial.start[0]
    for n, h, w in np.ndindex(2, 4, 5):
        seen = x[n] if across else x[n, :, h, w]
        length = np.sqrt((seen**2).sum() + 0.25)
        np.testing.assert_allclose(y[n, :, h, w], scale * x[n, :, h, w] / length)
    check_layer(trial)


def test_two_axes_will_do():
    check_layer(Trial(text("channel_shared: false across_spatial: false"), [(4, 6)]))


def test_the_scale_starts_as_1_unless_told():
    def filler(param: str) -> tuple[tuple[int, ...], FillerParameter]:
        (spec,) = make_layer(text(param)).params((SHAPE,))
        return spec.shape, spec.filler

    assert filler("") == ((), FillerParameter(type="constant", value=1))
    shape, told = filler("channel_shared: false scale_filler { value: 20 }")
    assert (shape, told.value) == ((3,), 20)


def test_what_is_refused():
    with pytest.raises(SpecError) as caught:
        infer(text(""), ((7,),))
    assert str(caught.value) == (
        "bottom has shape 7.\n  Normalize takes at least two axes: N x C."
    )
