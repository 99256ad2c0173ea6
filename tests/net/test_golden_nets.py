"""Small whole nets that Caffe ran: sharing, freezing, rules, several losses."""

from __future__ import annotations

import pytest

from tests.golden import check_layer_case, layer_cases


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Net"))
def test_net_equals_caffes(case, device: str) -> None:
    check_layer_case(case, device)
