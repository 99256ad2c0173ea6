from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from netspec.net import Net
from netspec.spec import parse_net
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, infer

SHAPE = (2, 3, 9, 8)


def text(height: int, pool: str = "MAX") -> str:
    return f'type: "SPP" spp_param {{ pyramid_height: {height} pool: {pool} }}'


@pytest.mark.parametrize("height", [1, 2, 3])
@pytest.mark.parametrize("pool", ["MAX", "AVE"])
def test_gradient(pool, height):
    check_layer(Trial(text(height, pool), [SHAPE]))


@pytest.mark.parametrize("ops", both_ops())
@pytest.mark.parametrize("pool", ["MAX", "AVE"])
def test_values_by_loops(pool, ops):
    trial = Trial(text(3, pool), [SHAPE], ops=ops, dtype=np.float32)
    x, found = trial.start[0].astype(float), []
    for parts in (1, 2, 4):
        kernel = [-(-n // parts) for n in SHAPE[2:]]
        pad = [(k * parts - n + 1) // 2 for k, n in zip(kernel, SHAPE[2:])]
        level = np.empty((2, 3, parts, parts))
        for at in np.ndindex(level.shape):
            ends = [
                (i * k - p, min(i * k - p + k, n + p))
                for i, k, p, n in zip(at[2:], kernel, pad, SHAPE[2:])
            ]
            (top, bottom), (left, right) = ends
            window = x[at[0], at[1], max(top, 0) : bottom, max(left, 0) : right]
            area = (bottom - top) * (right - left)
            level[at] = window.max() if pool == "MAX" else window.sum() / area
        found.append(level.reshape(2, -1))
    expected = np.concatenate(found, axis=1)
    np.testing.assert_allclose(trial.forward()[0], expected, rtol=1e-6, atol=1e-6)


def test_shapes():
    assert infer(text(1), (SHAPE,)) == ((2, 3, 1, 1),)
    assert infer(text(2), (SHAPE,)) == ((2, 15),)
    assert infer(text(4), ((2, 3, 30, 20),)) == ((2, 3 * 85),)


def test_a_lean_net_gives_the_same():
    net = f"""
    layer {{ name: "x" type: "Input" top: "x"
            input_param {{ shape {{ dim: 2 dim: 3 dim: 9 dim: 8 }} }} }}
    layer {{ name: "r" type: "AbsVal" bottom: "x" top: "r" }}
    layer {{ name: "l" bottom: "r" top: "y" {text(3)} }}
    """
    x = np.random.default_rng(1).standard_normal(SHAPE)
    plain, lean = (
        Net(parse_net(net), lean=lean).forward(x=x)["y"] for lean in (False, True)
    )
    np.testing.assert_array_equal(plain, lean)


@pytest.mark.parametrize(
    ("height", "shape", "message", "field"),
    [
        (
            0, SHAPE,
            "pyramid_height is missing or 0.\n  It must be at least 1.",
            "spp_param.pyramid_height",
        ),
        (
            3, (2, 3, 3, 8),
            "level 2 cannot cut a bottom of 2x3x3x8 into 4 x 4 parts.\n"
            "  Choose a smaller pyramid_height, or a larger image.",
            "spp_param.pyramid_height",
        ),
        (
            2, (2, 3, 9),
            "bottom has shape 2x3x9.\n  SPP takes four axes: N x C x H x W.",
            "bottom",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(height, shape, message, field):
    with pytest.raises(SpecError) as caught:
        infer(text(height), (shape,))
    assert str(caught.value) == message
    assert caught.value.field == field


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("SPP"))
def test_golden(case, device):
    check_layer_case(case, device)
