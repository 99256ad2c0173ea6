from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.layers.harness import Trial, both_ops, check_layer, infer

SHAPE = (2, 8, 6, 4)


def text(stride=2, reverse=False):
    more = "reverse: true" if reverse else ""
    return f'type: "Reorg" reorg_param {{ stride: {stride} {more} }}'


def darknet(x, stride, forward):
    """Index by index, as darknet's ``reorg_cpu`` counts."""
    batch, channels, height, width = x.shape
    flat, out = x.ravel(), np.empty(x.size)
    part = channels // stride**2
    for b in range(batch):
        for k in range(channels):
            for j in range(height):
                for i in range(width):
                    here = i + width * (j + height * (k + channels * b))
                    place, channel = divmod(k, part)
                    down = j * stride + place // stride
                    across = i * stride + place % stride
                    there = across + width * stride * (
                        down + height * stride * (channel + part * b)
                    )
                    if forward:
                        out[there] = flat[here]
                    else:
                        out[here] = flat[there]
    return out


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("ops", both_ops(), ids=["reference", "cpu"])
def test_the_order_is_darknet_s(reverse, ops):
    trial = Trial(text(reverse=reverse), [SHAPE], ops=ops)
    (y,) = trial.forward()
    assert y.shape == ((2, 2, 12, 8) if reverse else (2, 32, 3, 2))
    np.testing.assert_array_equal(y.ravel(), darknet(trial.start[0], 2, reverse))
    check_layer(trial)


def test_reverse_undoes_darknet_s_order():
    """On the same sizes; the channels of what Reorg gives are counted otherwise."""
    trial = Trial(text(), [SHAPE])
    (y,) = trial.forward()
    back = Trial(text(reverse=True), [y.reshape(SHAPE)])
    (x,) = back.forward()
    np.testing.assert_array_equal(x.ravel(), trial.start[0].ravel())


@pytest.mark.parametrize(("body", "shape", "message"), [
    (text(0), SHAPE, "stride is missing or 0."),
    (text(3), SHAPE, "stride 3, squared, does not divide the channels of the bottom"),
    (text(2), (2, 8, 5, 4), "stride 2 does not divide the map of the bottom, 2x8x5x4."),
    (text(2), (2, 8), "stride 2, squared, does not divide the channels"),
])  # fmt: skip
def test_refusals(body, shape, message):
    with pytest.raises(SpecError) as refused:
        infer(body, (shape,))
    assert message in refused.value.problem
    assert refused.value.remedy
