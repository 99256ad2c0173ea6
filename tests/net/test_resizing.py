"""Nets whose blobs have as many rows as the data says."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import DataError, SpecError
from netspec.net import Net
from netspec.spec import parse_net

ROWS, CHANNELS = 6, 4
RNG = np.random.default_rng(8)
X = RNG.standard_normal((ROWS, CHANNELS, 3))
LABELS = RNG.integers(0, 5, ROWS).astype(float)
# fewer rows, one, all, fewer again
BATCHES = ([1, 0, 1, 1, 0, 1], [0, 0, 0, 0, 1, 0], [1] * 6, [0, 1, 1, 0, 0, 1])


def inputs(rows: int) -> str:
    """Lines 1 to 4: a learned x, so that its gradient is wanted, and labels."""
    return f"""layer {{ name: "x" type: "Parameter" top: "x"
        parameter_param {{ shape {{ dim: {rows} dim: 4 dim: 3 }} }} }}
layer {{ name: "label" type: "Input" top: "label"
        input_param {{ shape {{ dim: {rows} }} }} }}
"""


SELECT = """layer { name: "select" type: "Input" top: "select"
        input_param { shape { dim: 6 } } }
layer { name: "f" type: "Filter" bottom: "x" bottom: "label" bottom: "select"
        top: "kept" top: "kept_label" }
"""
# In place, an alias, a Split, parameters, a loss with scratch, and two readers.
REST = """
layer { name: "relu" type: "ReLU" bottom: "X" top: "X"
        relu_param { negative_slope: 0.1 } }
layer { name: "flat" type: "Flatten" bottom: "X" top: "flat" }
layer { name: "fc" type: "InnerProduct" bottom: "flat" top: "fc"
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "LABEL" top: "loss"
        propagate_down: true propagate_down: false }
layer { name: "size" type: "Reduction" bottom: "flat" top: "size" loss_weight: 0.1
        reduction_param { operation: SUMSQ axis: 1 } }
"""


def net_of(text: str, device: str = "numpy", lean: bool = False) -> Net:
    message = parse_net(text, "net.prototxt")
    net = Net(message, phase="train", device=device, lean=lean, seed=3)
    net.params["x"][0].data[...] = X[: len(net.params["x"][0].data)]
    return net


def rest(x: str, label: str) -> str:
    return REST.replace("X", x).replace("LABEL", label)


def filtered(device: str, lean: bool = False) -> Net:
    text = inputs(ROWS) + SELECT + rest("kept", "kept_label")
    return net_of(text, device, lean)


def alone(rows: list[int], device: str) -> Net:
    """The net behind the filter, for some rows of x."""
    net = net_of(inputs(len(rows)) + rest("x", "label"), device)
    net.params["x"][0].data[...] = X[rows]
    return net


def run(net: Net, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs, loss and gradients of one pass."""
    found = net.forward(**inputs)
    net.clear_param_diffs()
    net.backward_pass()
    gradients = {
        f"{name}:{i}": blob.diff.copy()
        for name, blobs in net.params.items()
        for i, blob in enumerate(blobs)
    }
    return {**found, **gradients, "total": np.array(net.loss)}


@pytest.mark.smoke
@pytest.mark.parametrize("lean", [False, True])
@pytest.mark.parametrize("device", ["numpy", "cpu"])
def test_a_filtered_batch_computes_what_its_rows_alone_would(device, lean):
    net = filtered(device, lean)
    for select in BATCHES:
        rows = [i for i, kept in enumerate(select) if kept]
        found = run(net, label=LABELS, select=np.array(select))
        expected = run(alone(rows, device), label=LABELS[rows])
        whole = np.zeros(X.shape, np.float32)
        whole[rows] = expected["x:0"]
        expected["x:0"] = whole
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_blobs_have_the_shapes_of_the_batch():
    net = filtered("numpy")
    assert net.blobs["kept"].shape == (6, 4, 3)
    for select in BATCHES:
        net.forward(label=LABELS, select=np.array(select))
        rows = sum(select)
        for name, shape in (
            ("kept", (rows, 4, 3)),
            ("fc", (rows, 5)),
            ("size", (rows,)),
        ):
            assert net.blobs[name].shape == net.blobs[name].diff.shape == shape
        assert (net.blobs["size"].diff == np.float32(0.1)).all()
    assert net.graph.blobs["kept"] == (6, 4, 3)


def test_a_filter_behind_a_filter():
    again = """
    layer { name: "again" type: "Filter" bottom: "kept" bottom: "kept_label" top: "y" }
    layer { name: "z" type: "AbsVal" bottom: "y" top: "z" }
    """
    net = net_of(inputs(ROWS) + SELECT + again)
    for select in BATCHES[0], BATCHES[2]:
        labels = np.array([3.0, 1, 0, 2, 0, 0]) + (sum(select) == 6)
        found = net.forward(label=labels, select=np.array(select))["z"]
        both = (np.array(select) != 0) & (labels != 0)
        np.testing.assert_array_equal(found, np.abs(X[both]).astype(np.float32))


def test_an_output_may_have_no_rows():
    net = net_of(inputs(ROWS) + SELECT)
    found = net.forward(label=LABELS, select=np.zeros(6))
    assert found["kept"].shape == (0, 4, 3)


MOST = np.array([1, 1, 1, 0, 1, 1])


@pytest.mark.parametrize(
    ("layer", "select", "kind", "message"),
    [
        (
            'type: "AbsVal" bottom: "kept" top: "z"', np.zeros(6), DataError,
            "bottom 'kept' has no rows in this batch (0x4x3).\n  Make sure that every "
            "batch keeps one: a larger batch, or other data.",
        ),
        (
            'type: "Eltwise" bottom: "kept" bottom: "x" top: "z"', MOST, SpecError,
            "bottom 1 has shape 6x4x3, bottom 0 has 5x4x3.\n"
            "  All bottoms must have one shape.",
        ),
        (
            'type: "InnerProduct" bottom: "kept" top: "z" '
            "inner_product_param { num_output: 2 axis: 0 }", MOST, SpecError,
            "bottoms of 5x4x3 would change more than rows: 2, 2x60, 2.\n  The number "
            "of rows of this net varies: its layers must treat every row alike.",
        ),
    ],
)  # fmt: skip
def test_what_follows_must_take_the_rows(layer, select, kind, message):
    net = net_of(f'{inputs(ROWS)}{SELECT}layer {{ name: "z" {layer} }}')
    net.forward(label=LABELS, select=np.ones(6))
    with pytest.raises(kind) as caught:
        net.forward(label=LABELS, select=select)
    error, place = caught.value, caught.value.place
    assert f"{error.problem}\n  {error.remedy}" == message
    assert error.layer[0] == "z"
    assert (place.file, place.line) == ("net.prototxt", 9)
    found = net.forward(label=LABELS, select=np.ones(6))
    assert found["z"].size
