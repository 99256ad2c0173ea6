from __future__ import annotations

import numpy as np
import pytest

from netspec.convert.compare import difference, differences

A = np.array([[1.0, -4.0], [0.5, 2.0]], np.float32)


def test_equal_arrays_differ_by_nothing() -> None:
    found = difference("x", A, A.copy())
    assert (found.max_abs, found.max_rel, found.cosine, found.problem) == (0, 0, 1, "")


def test_a_difference_is_relative_to_the_first_ones_maximum() -> None:
    found = difference("x", A, A + np.float32([[0, 0.5], [0, 0]]))
    assert found.max_abs == pytest.approx(0.5)
    assert found.max_rel == pytest.approx(0.125)
    assert found.passes(0.13)
    assert not found.passes(0.12)


def test_the_cosine_tells_a_turned_blob() -> None:
    assert difference("x", A, -A).cosine == pytest.approx(-1)


def test_anything_beside_zeros_is_infinitely_far() -> None:
    zeros = np.zeros(3, np.float32)
    assert difference("x", zeros, zeros + 1e-9).max_rel == float("inf")
    assert difference("x", zeros, zeros).max_rel == 0


def test_shapes_may_differ_by_trailing_ones_only() -> None:
    assert difference("x", A, A.reshape(2, 2, 1, 1)).problem == ""
    assert "shape [1, 2, 2]" in difference("x", A, A[None]).problem


@pytest.mark.parametrize(
    ("second", "passes"),
    [([np.nan, np.inf, 1], True), ([np.nan, 1, 1], False), ([0, np.inf, 1], False)],
)
def test_values_that_are_not_finite_must_be_the_same(second, passes: bool) -> None:
    first = np.array([np.nan, np.inf, 1], np.float32)
    found = difference(
        "x", first, np.array(second, np.float32) + np.float32([0, 0, 1e-9])
    )
    assert found.passes(1e-4) == passes


def test_a_blob_that_is_missing_is_a_problem() -> None:
    (found,) = differences({"x": A}, {}, ["x"])
    assert found.problem == "missing"
