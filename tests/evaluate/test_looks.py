"""Where nets look: by hand, and that looks are whole and weigh 1 together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.data.preprocess import Window
from netspec.data.rescale import Size
from netspec.errors import UsageError
from netspec.evaluate.looks import KINDS, Look, looks
from netspec.evaluate.protocols import PROTOCOLS, paper_scales

SIZE, CROP = Size(13, 20), Size(6, 7)


def test_the_centre_is_caffes() -> None:
    assert looks("single", SIZE, CROP, False) == [Look(Window(3, 6, 6, 7), 1.0)]


def test_ten_crops() -> None:
    found = looks("ten-crop", SIZE, CROP, True)
    corners = [(0, 0), (0, 13), (7, 0), (7, 13), (3, 6)]
    assert [(w.y, w.x) for w, _ in found[::2]] == corners
    assert [w.mirror for w, _ in found] == [False, True] * 5
    assert {weight for _, weight in found} == {0.1}


def test_fifty_crops() -> None:
    found = looks("multi-crop", SIZE, CROP, True)
    assert len(found) == 50
    assert sorted({w.y for w, _ in found}) == [0, 2, 4, 5, 7]
    assert sorted({w.x for w, _ in found}) == [0, 3, 7, 10, 13]


def test_a_picture_no_larger_than_the_crop_is_looked_at_once() -> None:
    found = looks("multi-crop", Size(6, 8), CROP, True)
    assert [(w[:2], round(weight * 50)) for w, weight in found] == [
        ((0, 0), 10), ((0, 0), 10), ((0, 1), 15), ((0, 1), 15)
    ]  # fmt: skip


def test_dense_is_the_whole_picture() -> None:
    assert looks("dense", SIZE, CROP, True) == [
        Look(Window(0, 0, 13, 20), 0.5),
        Look(Window(0, 0, 13, 20, True), 0.5),
    ]


@given(
    st.sampled_from(list(KINDS)),
    st.tuples(*[st.integers(1, 40)] * 4),
    st.booleans(),
)
def test_looks_lie_within_and_weigh_one(kind, numbers, mirror) -> None:
    height, width, below, right = numbers
    crop, size = Size(height, width), Size(height + below - 1, width + right - 1)
    found = looks(kind, size, crop, mirror)
    assert sum(weight for _, weight in found) == pytest.approx(1)
    assert len(set(found)) == len(found)
    for window, _ in found:
        assert 0 <= window.y <= window.y + window.height <= size.height
        assert 0 <= window.x <= window.x + window.width <= size.width


def test_what_tables_say_of_crops() -> None:
    assert {name: p.crops for name, p in PROTOCOLS.items()} == {
        "single": "1",
        "ten-crop": "10",
        "dense": "whole image",
        "multi-scale": "whole image",
        "multi-crop": "50",
        "dense+multi-crop": "whole image + 50",
    }
    assert PROTOCOLS["multi-crop"].at(mirror=False).crops == "25"


def test_the_papers_scales() -> None:
    assert paper_scales(384, 384) == (352, 384, 416)
    assert paper_scales(256, 512) == (256, 384, 512)


MISTAKES = {
    "unknown": (lambda: PROTOCOLS["dens"], "unknown protocol 'dens'.\n"
                "  Did you mean 'dense'?"),
    "zero": (lambda: PROTOCOLS["dense"].at((0, 5)),
             "cannot test at the scales 0, 5.\n"
             "  Give each shorter side once, in pixels."),
    "twice": (lambda: PROTOCOLS["dense"].at((5, 5)),
              "cannot test at the scales 5, 5.\n"
              "  Give each shorter side once, in pixels."),
    "five crops": (lambda: PROTOCOLS["ten-crop"].at(mirror=False),
                   "ten-crop without mirrors is five crops.\n"
                   "  Leave --no-mirror out."),
    "average": (lambda: PROTOCOLS["dense"].at(average="maxima"),
                "cannot average a map of 'maxima'.\n"
                "  Choose from: scores, posteriors."),
    "one scale": (lambda: PROTOCOLS["multi-scale"].at((9,)).check_scales(),
                  "protocol multi-scale averages over several scales; 1 is given.\n"
                  "  Give them: --scales 256,384,512."),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(case: str) -> None:
    make, expected = MISTAKES[case]
    with pytest.raises(UsageError) as caught:
        make()
    assert str(caught.value) == expected
