"""Renaming and choosing layers."""

from __future__ import annotations

import pytest

from netspec.errors import UsageError
from netspec.weights import parse_renames
from netspec.weights.names import check_globs, check_rules, chosen, renamed

NAMES = ["conv1", "conv2/a", "fc8"]

RENAMES = {
    "exact": ({"fc8": "fc8_new"}, ["conv1", "conv2/a", "fc8_new"]),
    "a star": ({"conv*": "vgg_*"}, ["vgg_1", "vgg_2/a", "fc8"]),
    "two stars": ({"*/*": "*.x.*"}, ["conv1", "conv2.x.a", "fc8"]),
    "the first that matches": (
        {"conv1": "c", "*": "new_*"},
        ["c", "new_conv2/a", "new_fc8"],
    ),
    "a swap": ({"conv1": "fc8", "fc8": "conv1"}, ["fc8", "conv2/a", "conv1"]),
    "the whole name only": ({"conv": "x"}, NAMES),
    "no pattern language": ({"conv.": "x"}, NAMES),
    "none": ({}, NAMES),
}


@pytest.mark.parametrize(("rules", "expected"), RENAMES.values(), ids=RENAMES.keys())
def test_renamed(rules: dict[str, str], expected: list[str]) -> None:
    assert renamed(NAMES, rules) == dict(zip(NAMES, expected, strict=True))


def test_parsing() -> None:
    assert parse_renames(["a=b", "c/*=*"]) == {"a": "b", "c/*": "*"}


CALLS = {
    "no equals sign": (
        lambda: parse_renames(["conv1"]),
        "the rename 'conv1' is not of the form old=new.\n"
        "  For example --map fc8=fc8_flowers.",
    ),
    "two equals signs": (
        lambda: parse_renames(["a=b=c"]),
        "the rename 'a=b=c' is not of the form old=new.\n"
        "  For example --map fc8=fc8_flowers.",
    ),
    "nothing new": (
        lambda: parse_renames(["a="]),
        "the rename 'a=' is not of the form old=new.\n"
        "  For example --map fc8=fc8_flowers.",
    ),
    "one name twice": (
        lambda: parse_renames(["a=b", "a=c"]),
        "'a' is renamed twice, to 'b' and 'c'.\n  Give one rule for it.",
    ),
    "stars that do not pair": (
        lambda: renamed(NAMES, {"conv*": "c"}),
        "the rename conv*=c has 1 stars on the left and 0 on the right.\n"
        "  Give the new name a * for each of the old.",
    ),
    "two layers to one name": (
        lambda: renamed(NAMES, {"conv1": "fc8"}),
        "layers 'conv1' and 'fc8' would both be 'fc8'.\n"
        "  Rename the other one too, out of the way.",
    ),
    "a rename of nothing": (
        lambda: check_rules(NAMES, {"fc9": "fc8"}),
        "the rename fc9=fc8 matches no layer of the weights.\n  Did you mean 'fc8'?",
    ),
    "a choice of nothing": (
        lambda: check_globs(NAMES, ["conv*", "fc9"], "the net"),
        "the choice 'fc9' matches no layer of the net.\n  Did you mean 'fc8'?",
    ),
}


@pytest.mark.parametrize(("call", "text"), CALLS.values(), ids=CALLS.keys())
def test_refusals(call, text: str) -> None:
    with pytest.raises(UsageError) as error:
        call()
    assert str(error.value) == text


def test_chosen() -> None:
    assert chosen(NAMES, ["conv[12]*", "ip"]) == {"conv1", "conv2/a"}
    assert chosen(NAMES, []) == set()
