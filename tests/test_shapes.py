from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from netspec.errors import SpecError
from netspec.shapes import (
    canonical_axis,
    convolution_size,
    count,
    deconvolution_size,
    describe,
    per_axis,
    pooling_size,
    window_extent,
)

# Worked by hand: (size, kernel, stride, pad, dilation) -> output.
CONVOLUTIONS = [
    ((224, 3, 1, 1, 1), 224),  # VGG
    ((227, 11, 4, 0, 1), 55),  # AlexNet
    ((224, 7, 2, 3, 1), 112),  # ResNet: (224 + 6 - 7) / 2 = 111.5, rounded down
    ((7, 7, 1, 0, 1), 1),
    ((9, 3, 1, 0, 3), 3),  # spans 7
    ((8, 3, 2, 1, 2), 3),  # (8 + 2 - 5) / 2 = 2.5
    ((4, 7, 1, 1, 1), 0),  # does not fit
    ((2, 7, 2, 0, 1), -1),  # -5 / 2 rounds towards zero
    ((3, 5, 4, 0, 1), 1),  # so does -2 / 4: one window, which sticks out
]
# (size, kernel, stride, pad, ceil) -> output.
POOLINGS = [
    ((224, 2, 2, 0, True), 112),  # VGG
    ((55, 3, 2, 0, True), 27),  # AlexNet
    ((112, 3, 2, 0, True), 56),  # (112 - 3) / 2 = 54.5, rounded up
    ((112, 3, 2, 1, True), 57),  # 55.5 + 1 up; the last window starts at 111
    ((112, 3, 2, 0, False), 55),
    ((7, 7, 1, 0, True), 1),
    ((3, 2, 2, 1, True), 2),  # 1.5 up is 3 windows; the third starts in the padding
    ((5, 2, 2, 1, True), 3),  # 2.5 up is 4 windows; the fourth starts at 6 = 5 + 1
    ((4, 5, 2, 0, True), 1),  # the kernel is larger, rounding up still gives one
    ((4, 7, 2, 0, True), 0),
]


@pytest.mark.smoke
@pytest.mark.parametrize(("arguments", "size"), CONVOLUTIONS)
def test_convolution_size(arguments, size):
    assert convolution_size(*arguments) == size


@pytest.mark.smoke
@pytest.mark.parametrize(("arguments", "size"), POOLINGS)
def test_pooling_size(arguments, size):
    assert pooling_size(*arguments) == size


@given(
    size=st.integers(1, 40),
    kernel=st.integers(1, 7),
    stride=st.integers(1, 5),
    pad=st.integers(0, 6),
    dilation=st.integers(1, 3),
)
def test_convolution_size_counts_the_windows_that_fit(
    size, kernel, stride, pad, dilation
):
    padded, span = size + 2 * pad, dilation * (kernel - 1)
    assume(span < padded)
    fitting = [start for start in range(0, padded, stride) if start + span < padded]
    assert convolution_size(size, kernel, stride, pad, dilation) == len(fitting)


@given(
    size=st.integers(1, 40),
    kernel=st.integers(1, 7),
    stride=st.integers(1, 5),
    pad=st.integers(0, 6),
)
def test_pooling_covers_the_input_and_starts_inside(size, kernel, stride, pad):
    assume(kernel <= size and pad < kernel and (pad or stride <= kernel))
    found = pooling_size(size, kernel, stride, pad)
    last = (found - 1) * stride - pad
    assert last < size
    assert last + max(kernel, stride) >= size


@given(
    out=st.integers(1, 30),
    kernel=st.integers(1, 7),
    stride=st.integers(1, 5),
    pad=st.integers(0, 3),
    dilation=st.integers(1, 3),
)
def test_deconvolution_undoes_convolution(out, kernel, stride, pad, dilation):
    size = deconvolution_size(out, kernel, stride, pad, dilation)
    assert convolution_size(size, kernel, stride, pad, dilation) == out


def test_window_extent():
    assert [window_extent(3), window_extent(3, 2), window_extent(1, 9)] == [3, 5, 1]


@pytest.mark.parametrize(("axis", "axes", "found"), [(0, 4, 0), (-1, 4, 3), (-4, 4, 0)])
def test_canonical_axis(axis, axes, found):
    assert canonical_axis(axis, axes) == found


@pytest.mark.parametrize(
    ("axis", "axes", "text"),
    [
        (4, 4, "x.axis 4 is out of range for a blob of 4 axes.\n  "
               "Choose from -4 to 3."),
        (-5, 4, "x.axis -5 is out of range for a blob of 4 axes.\n  "
                "Choose from -4 to 3."),
        (0, 0, "x.axis 0 is out of range for a blob of 0 axes.\n  "
               "The blob has no axes."),
    ],
)  # fmt: skip
def test_canonical_axis_out_of_range(axis, axes, text):
    with pytest.raises(SpecError) as caught:
        canonical_axis(axis, axes, "x.axis")
    assert str(caught.value) == text
    assert caught.value.field == "x.axis"


def test_per_axis_spreads_one_value_and_keeps_several():
    assert per_axis([], 3, 1, "stride") == (1, 1, 1)
    assert per_axis([2], 3, 1, "stride") == (2, 2, 2)
    assert per_axis([2, 3, 4], 3, 1, "stride") == (2, 3, 4)


def test_per_axis_refuses_another_number():
    with pytest.raises(SpecError) as caught:
        per_axis([2, 3], 3, 1, "convolution_param.stride")
    assert str(caught.value) == (
        "convolution_param.stride is given 2 times for 3 spatial axes.\n"
        "  Give it once, or 3 times."
    )


def test_count_and_describe():
    shape = (2, 3, 5)
    assert [count(shape), count(shape, 1), count(shape, 0, 1)] == [30, 15, 2]
    assert count(()) == 1
    assert [describe((2, 3, 224)), describe(())] == ["2x3x224", "scalar"]
