from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import DataError, SpecError
from netspec.net import Net
from netspec.proto import BlobProto
from netspec.spec import parse_net
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, infer, make_layer

RNG = np.random.default_rng(3)
SCORES = RNG.standard_normal((4, 3, 2, 5))
LABELS = RNG.integers(0, 3, (4, 2, 5)).astype(float)
GAIN = RNG.uniform(0, 1, (3, 3))
VALID = LABELS != 2
BY_BOTTOM = {"gradient": [True, False, False]}


def text(loss_param: str = "", infogain: str = "") -> str:
    return (
        f'type: "InfogainLoss" loss_param {{ {loss_param} }} '
        f"infogain_loss_param {{ {infogain} }}"
    )


def losses() -> np.ndarray:
    """At each place, one by one."""
    out = np.empty(LABELS.shape)
    for n, h, w in np.ndindex(LABELS.shape):
        p = np.exp(SCORES[n, :, h, w])
        row = GAIN[int(LABELS[n, h, w])]
        out[n, h, w] = -(row * np.log(p / p.sum())).sum()
    return out


LOSSES = losses()


@pytest.mark.parametrize(
    "loss_param", ["", "ignore_label: 2", "normalization: NONE", "normalize: false"]
)
def test_gradient(loss_param):
    check_layer(Trial(text(loss_param), [SCORES, LABELS, GAIN], **BY_BOTTOM))


@pytest.mark.parametrize(
    ("axis", "scores", "labels"), [(-1, (4, 5, 3), (4, 5)), (0, (3, 15), (3, 5))]
)
def test_gradient_along_another_axis(axis, scores, labels):
    drawn = np.random.default_rng(1).integers(0, 3, labels)
    bottoms = [scores, drawn, GAIN.reshape(1, 1, 3, 3)]
    trial = Trial(text("", f"axis: {axis}"), bottoms, **BY_BOTTOM)
    check_layer(trial)
    assert trial.layer.couples_batch(trial.shapes) is (axis == 0)


@pytest.mark.parametrize("ops", both_ops())
@pytest.mark.parametrize(
    ("loss_param", "expected"),
    [
        ("", LOSSES.mean()),
        ("normalization: FULL", LOSSES.mean()),
        ("normalization: BATCH_SIZE", LOSSES.sum() / 4),
        ("normalization: NONE", LOSSES.sum()),
        ("ignore_label: 2", LOSSES[VALID].mean()),
        ("ignore_label: 2 normalization: FULL", LOSSES[VALID].sum() / 40),
        ("ignore_label: 2 normalize: false", LOSSES[VALID].sum() / 4),
    ],
)
def test_normalization(loss_param, expected, ops):
    bottoms = [SCORES, LABELS, GAIN]
    trial = Trial(text(loss_param), bottoms, ops=ops, dtype=np.float32)
    np.testing.assert_allclose(trial.forward()[0], expected, rtol=1e-6)


@pytest.mark.parametrize("loss_param", ["", "ignore_label: 2"])
def test_shards_add_up(loss_param):
    def run(rows: slice, **of_shard: float) -> tuple[float, np.ndarray]:
        bottoms = [SCORES[rows], LABELS[rows], GAIN]
        trial = Trial(text(loss_param), bottoms, **BY_BOTTOM, **of_shard)
        loss = float(trial.forward()[0])
        return loss, trial.backward([1.7])[0]

    whole = run(slice(None))
    layer, shared = make_layer(text(loss_param), 3), {"shards": 2}
    if layer.needs_valid_count:
        shared["normalizer"] = layer.valid_count(LABELS)
    parts = [run(slice(i, i + 2), **shared) for i in (0, 2)]
    assert sum(p[0] for p in parts) == pytest.approx(whole[0], rel=1e-12)
    together = np.concatenate([p[1] for p in parts])
    np.testing.assert_allclose(together, whole[1], rtol=1e-12)


def test_a_second_top_gets_the_probabilities():
    trial = Trial(text(), [SCORES, LABELS, GAIN], tops=2, **BY_BOTTOM)
    e = np.exp(SCORES)
    probabilities = e / e.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(trial.forward()[1], probabilities, rtol=1e-12)


def test_a_vanishing_probability_costs_no_more_than_1e_20():
    scores, gain = np.array([[0.0, -200.0]]), np.array([[0.3, 0.7], [0.2, 0.5]])
    trial = Trial(text(), [scores, np.array([0.0]), gain], **BY_BOTTOM)
    assert trial.forward()[0] == pytest.approx(0.7 * 20 * np.log(10))


def test_a_label_that_is_no_class_is_named():
    labels = LABELS.copy()
    labels[1, 0, 2] = 3
    with pytest.raises(DataError, match="label 3 in row 1 of the batch is outside"):
        Trial(text(), [SCORES, labels, GAIN], **BY_BOTTOM).forward()


@pytest.mark.parametrize(
    ("infogain", "shapes", "message", "field"),
    [
        (
            "", ((5, 4), (5,), (4, 3)),
            "the matrix, bottom 2, is 4x3 for 4 classes.\n  It must be 4 x 4.",
            "bottom.2",
        ),
        (
            "", ((5, 4), (5,)),
            "there is no matrix.\n"
            "  Give a third bottom, or infogain_loss_param.source.",
            "infogain_loss_param",
        ),
        (
            'source: "nowhere.binaryproto"', ((5, 4), (5,)),
            "there is no file 'nowhere.binaryproto' with the matrix.\n"
            "  Make it available; relative paths are looked for beside the net too.",
            "infogain_loss_param.source",
        ),
        (
            "", ((5, 4, 3), (5, 2), (4, 4)),
            "bottom 1 (5x2) holds 10 labels for the 15 places of bottom 0 (5x4x3, 4 "
            "classes).\n  Scores of N x C x H x W on axis 1 take N x H x W labels from "
            "0 to C - 1.",
            "bottom.1",
        ),
        (
            "axis: 2", ((5, 4), (5,), (4, 4)),
            "infogain_loss_param.axis 2 is out of range for a blob of 2 axes.\n"
            "  Choose from -2 to 1.",
            "infogain_loss_param.axis",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(infogain, shapes, message, field):
    with pytest.raises(SpecError) as caught:
        infer(text("", infogain), shapes)
    assert str(caught.value) == message
    assert caught.value.field == field


@pytest.mark.parametrize(("bottom", "what"), [(1, "labels"), (2, "matrix")])
def test_neither_labels_nor_matrix_have_a_gradient(bottom, what):
    wanted = [True, bottom == 1, bottom == 2]
    trial = Trial(text(), [SCORES, LABELS, GAIN], gradient=wanted)
    trial.forward()
    with pytest.raises(SpecError, match=f"has no gradient for its {what}"):
        trial.backward([1.0])


NET = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 4 dim: 3 } } }
layer { name: "t" type: "Input" top: "t" input_param { shape { dim: 4 } } }
layer {
  name: "l" type: "InfogainLoss" bottom: "x" bottom: "t" top: "loss"
  infogain_loss_param { source: "gain.binaryproto" }
}
"""


@pytest.fixture
def net(tmp_path):
    return parse_net(NET, str(tmp_path / "net.prototxt"))


def test_a_matrix_in_a_file_beside_the_net(net, tmp_path):
    blob = BlobProto(num=1, channels=1, height=3, width=3)
    blob.data.extend(GAIN.reshape(-1))
    (tmp_path / "gain.binaryproto").write_bytes(blob.SerializeToString())
    scores, labels = SCORES[:, :, 0, 0], LABELS[:, 0, 0]
    for lean in (False, True):
        made = Net(net, device="numpy", lean=lean)
        found = made.forward(x=scores, t=labels)["loss"]
        trial = Trial(text(), [scores, labels, GAIN], dtype=np.float32)
        assert found == trial.forward()[0]


def test_a_matrix_of_another_size(net, tmp_path):
    blob = BlobProto(data=range(4))
    blob.shape.dim.extend([2, 2])
    (tmp_path / "gain.binaryproto").write_bytes(blob.SerializeToString())
    with pytest.raises(SpecError) as caught:
        Net(net, device="numpy")
    assert str(caught.value) == (
        f"{tmp_path}/net.prototxt:6:25: layer 'l' (InfogainLoss): the matrix, "
        "'gain.binaryproto', is 2x2 for 3 classes.\n  It must be 3 x 3."
    )


@pytest.mark.parametrize("content", [b"", b"\x2a\xff\xff\xff\x7f", b"no message"])
def test_a_broken_matrix_file(net, tmp_path, content):
    (tmp_path / "gain.binaryproto").write_bytes(content)
    with pytest.raises(DataError) as caught:
        Net(net, device="numpy")
    assert str(caught.value).startswith(f"{tmp_path}/gain.binaryproto")
    assert caught.value.layer == ("l", "InfogainLoss")


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("InfogainLoss"))
def test_golden(case, device):
    check_layer_case(case, device)
