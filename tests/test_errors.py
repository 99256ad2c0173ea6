from __future__ import annotations

import pytest

from netspec import errors
from netspec.errors import NetspecError, Place, SpecError

TABLE = [
    (SpecError("group 3 does not divide 64."), "group 3 does not divide 64."),
    (
        SpecError("group 3 does not divide 64.", "Choose a divisor of 64."),
        "group 3 does not divide 64.\n  Choose a divisor of 64.",
    ),
    (
        SpecError("is odd.", place=Place("net.prototxt", 41, 5)),
        "net.prototxt:41:5: is odd.",
    ),
    (
        SpecError(
            "is odd.",
            "Be even.",
            place=Place("net.prototxt", 41),
            layer=("conv3", "Convolution"),
        ),
        "net.prototxt:41: layer 'conv3' (Convolution): is odd.\n  Be even.",
    ),
    (
        SpecError("is odd.", layer=("conv3", "Convolution")),
        "layer 'conv3' (Convolution): is odd.",
    ),
    (
        SpecError("holds braces {}.", layer=("a{0}", "B")),
        "layer 'a{0}' (B): holds braces {}.",
    ),
]


@pytest.mark.smoke
@pytest.mark.parametrize(("error", "text"), TABLE)
def test_the_sentence(error, text):
    assert str(error) == text


def test_at_adds_what_is_not_known_yet_and_keeps_what_is():
    error = SpecError("is odd.", place=Place("inner.prototxt", 3))
    assert error.at(Place("outer.prototxt", 9), ("conv", "Convolution")) is error
    assert error.at(layer=("other", "Pooling")) is error
    assert str(error) == "inner.prototxt:3: layer 'conv' (Convolution): is odd."


def test_exit_codes_tell_the_kinds_apart():
    kinds = ["Usage", "Spec", "Data", "Device", "Diverged"]
    classes = [getattr(errors, f"{kind}Error") for kind in kinds]
    assert [kind.exit_code for kind in classes] == [2, 3, 4, 5, 6]
    assert all(issubclass(kind, NetspecError) for kind in classes)


def test_places_print_what_is_known():
    places = [Place("a", 3, 7), Place("b"), Place("a", 3), Place("a")]
    assert [str(p) for p in sorted(places)] == ["a", "a:3", "a:3:7", "b"]
