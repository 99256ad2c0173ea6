"""Error rates against loops and Caffe's Accuracy; labels in another order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.evaluate.metrics import Metrics
from netspec.net import Net
from netspec.spec import parse_net


def some(pictures: int = 40, classes: int = 9, seed: int = 0) -> Metrics:
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.full(classes, 0.4), pictures)
    return Metrics(scores, rng.integers(0, classes, pictures))


@given(st.integers(1, 30), st.integers(2, 12), st.integers(0, 999))
def test_errors_are_those_of_a_loop(pictures: int, classes: int, seed: int) -> None:
    metrics = some(pictures, classes, seed)
    for top in metrics.tops:
        wrong = [
            label not in np.argsort(-scores)[:top]
            for scores, label in zip(metrics.posteriors, metrics.labels)
        ]
        assert metrics.error(top) == pytest.approx(100 * np.mean(wrong))
        for k, error in enumerate(metrics.class_errors(top)):
            mine = [w for w, label in zip(wrong, metrics.labels) if label == k]
            assert len(mine) == metrics.counts()[k]
            if mine:
                assert error == pytest.approx(100 * np.mean(mine))
            else:
                assert np.isnan(error)


def test_equal_scores_count_as_in_caffes_accuracy() -> None:
    scores = np.array([[0.4, 0.4, 0.1, 0.1], [0.1, 0.2, 0.4, 0.3], [0.25] * 4])
    labels = np.array([0, 2, 3])
    net = Net(
        parse_net(
            """layer { name: "in" type: "Input" top: "s" top: "l" input_param {
                 shape { dim: 3 dim: 4 } shape { dim: 3 } } }
               layer { name: "a" type: "Accuracy" bottom: "s" bottom: "l" top: "a" }"""
        ),
        device="numpy",
    )
    accuracy = float(net.forward(s=scores, l=labels)["a"])
    assert Metrics(scores, labels).error() == pytest.approx(100 * (1 - accuracy))
    assert Metrics(scores, labels).ranks.tolist() == [1, 0, 3]


def test_the_confusion_matrix() -> None:
    scores = np.eye(3)[[0, 2, 2, 1, 0]]
    found = Metrics(scores, np.array([0, 0, 2, 1, 2])).confusion
    assert found.tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


def test_the_worst_come_first() -> None:
    scores = np.array([[0.9, 0.1], [0.3, 0.7], [0.5, 0.5], [0.3, 0.7]])
    assert Metrics(scores, np.array([0, 0, 0, 0])).worst(3).tolist() == [1, 3, 2]


def test_a_top_5_error_among_five_classes_says_nothing() -> None:
    assert some(classes=5).tops == (1,)
    assert some(classes=6).tops == (1, 5)


def test_labels_in_another_order_are_seen() -> None:
    """Problem: ILSVRC's own numbers are not the order of Caffe's classes."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 20, 400)
    scores = 0.6 * np.eye(20)[truth] + 0.4 * rng.dirichlet(np.ones(20), 400)
    assert Metrics(scores, truth).error() < 1
    assert Metrics(scores, truth).permuted_error() is None
    shifted = (7 * truth + 3) % 20
    metrics = Metrics(scores, shifted)
    assert metrics.error() > 95
    assert metrics.permuted_error() == pytest.approx(Metrics(scores, truth).error())


def test_a_net_that_knows_nothing_is_not_taken_for_that() -> None:
    assert some(400, 20).permuted_error() is None
    assert some(30, 20).permuted_error() is None  # too few to say
