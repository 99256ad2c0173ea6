from __future__ import annotations

import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, check_layer, make_layer


def test_gradient():
    text = 'type: "Parameter" parameter_param { shape { dim: 3 dim: 5 } }'
    check_layer(Trial(text, []))


def test_a_dim_of_0_is_refused():
    text = 'type: "Parameter" parameter_param { shape { dim: 3 dim: 0 } }'
    with pytest.raises(SpecError) as caught:
        make_layer(text, 0)
    assert str(caught.value) == (
        "dim 0 is no extent.\n  Every dim of the shape must be above 0."
    )
    assert caught.value.field == "parameter_param.shape.dim"


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Parameter"))
def test_golden(case, device):
    check_layer_case(case, device)
