from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_gradients, infer

SELECTOR = np.array([0.0, 1, 0, -0.5, 2])
KEPT = [1, 3, 4]


def text() -> str:
    return 'type: "Filter"'


def trial_of(shapes: list, selector: np.ndarray, **options) -> Trial:  # type: ignore[no-untyped-def]
    """A trial whose tops are resized, as a net does it."""
    wanted = [True] * len(shapes) + [False]
    trial = Trial(
        text(), [*shapes, selector], tops=len(shapes), gradient=wanted, **options
    )
    whole = list(trial.run.top), list(trial.run.top_diff)

    def resize(tops: tuple) -> None:
        trial.top_shapes = tops
        for views, arrays in zip((trial.run.top, trial.run.top_diff), whole):
            views[:] = [a[: s[0]] for a, s in zip(arrays, tops)]

    trial.run.resize = resize
    trial.forward()
    return trial


def test_gradient():
    check_gradients(trial_of([(5, 3, 2), (5, 4), (5,)], SELECTOR))


@pytest.mark.parametrize("ops", both_ops())
def test_values(ops):
    selector = SELECTOR.reshape(5, 1, 1)
    trial = trial_of([(5, 3, 2), (5, 4)], selector, ops=ops, dtype=np.float32)
    for top, start in zip(trial.top, trial.start):
        np.testing.assert_array_equal(top, start[KEPT])
    diffs = trial.backward([np.ones((3, 3, 2)), np.full((3, 4), 2.0)])
    for diff, value in zip(diffs, (1, 2)):
        np.testing.assert_array_equal(diff[KEPT], np.full(diff[KEPT].shape, value))
        assert not diff[[0, 2]].any()


@pytest.mark.parametrize("ops", both_ops())
def test_nothing_may_be_kept_and_everything(ops):
    trial = trial_of([(5, 3)], np.zeros(5), ops=ops, dtype=np.float32)
    assert trial.top[0].shape == (0, 3)
    assert not trial.backward([np.zeros((0, 3))])[0].any()
    trial = trial_of([(5, 3)], np.full(5, np.nan), ops=ops, dtype=np.float32)
    np.testing.assert_array_equal(trial.top[0], trial.start[0])


def test_it_couples_the_batch_and_resizes():
    trial = trial_of([(5, 3)], SELECTOR)
    assert trial.layer.couples_batch(trial.shapes)
    assert trial.layer.resizes


@pytest.mark.parametrize(
    ("shapes", "tops", "message", "field"),
    [
        (
            ((5, 3), (5, 2)), 1,
            "bottom 1, the selector, has shape 5x2.\n  It must hold one number a row.",
            "bottom.1",
        ),
        (
            ((5, 3), (4, 3), (5,)), 2,
            "bottom 1 has shape 4x3, the selector (bottom 2) has 5.\n"
            "  Both must have as many rows.",
            "bottom.1",
        ),
        (
            ((5, 3), (5, 3), (5,)), 1,
            "has 1 tops for 3 bottoms.\n"
            "  Give a top for each bottom but the last, which selects.",
            "top",
        ),
        (
            ((5,),), 1,
            "takes at least 2 bottom(s), and has 1.\n  Give it at least 2.",
            "bottom",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(shapes, tops, message, field):
    with pytest.raises(SpecError) as caught:
        infer(text(), shapes, tops)
    assert str(caught.value) == message
    assert caught.value.field == field


def test_the_selector_has_no_gradient():
    trial = Trial(text(), [(5, 3), SELECTOR], gradient=[True, True])
    trial.run.resize = lambda tops: None
    trial.run.top[0] = trial.run.top[0][:3]
    trial.forward()
    with pytest.raises(SpecError, match="has no gradient for its selector"):
        trial.backward()


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Filter"))
def test_golden(case, device):
    check_layer_case(case, device)
