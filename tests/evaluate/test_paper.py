"""The paper's figures: all of them, found by their conditions, compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec.errors import UsageError
from netspec.evaluate.outcome import Conditions
from netspec.evaluate.paper import FIGURES, Comparison, figure_for
from netspec.evaluate.protocols import PROTOCOLS


def conditions(
    nets: str = "vgg16", protocol: str = "dense", scales=(384,), train=(256, 512)
) -> Conditions:
    chosen = PROTOCOLS[protocol].at(scales)
    q = ",".join(map(str, chosen.scales))
    return Conditions(chosen, tuple(nets.split()), train, q, 50_000, 1000, None)


# net, protocol, Q, S, and the two errors as the paper prints them
ROWS = [
    ("vgg11", "dense", (256,), (256, 256), 29.6, 10.4),
    ("vgg11_lrn", "dense", (256,), (256, 256), 29.7, 10.5),
    ("vgg13", "multi-scale", (224, 256, 288), (256, 256), 28.2, 9.6),
    ("vgg16_1x1", "dense", (384,), (256, 512), 27.3, 8.8),
    ("vgg16", "dense", (384,), (256, 512), 25.6, 8.1),
    ("vgg16", "dense", (512, 256, 384), (256, 512), 24.8, 7.5),
    ("VGG_ILSVRC_16_layers", "multi-crop", (256, 384, 512), (256, 512), 24.6, 7.5),
    ("vgg19", "dense+multi-crop", (256, 384, 512), (256, 512), 24.4, 7.1),
    ("vgg19 vgg16", "dense", (256, 384, 512), (256, 512), 24.0, 7.1),
    ("vgg16 vgg19", "dense+multi-crop", (256, 384, 512), (256, 512), 23.7, 6.8),
]


@pytest.mark.parametrize(("nets", "protocol", "scales", "train", "top1", "top5"), ROWS)
def test_figures(nets, protocol, scales, train, top1, top5) -> None:
    found = figure_for(conditions(nets, protocol, scales, train))
    assert (found.top1, found.top5) == (top1, top5)


def test_figures_are_those_of_the_notes(shared_data: Path) -> None:
    """Each row of the notes' first two tables, in whatever order."""
    notes = shared_data.parent / "notes" / "vgg-paper.md"
    if not notes.exists():
        pytest.skip("no notes on the paper beside the test data")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in notes.read_text().split("## Results")[1].splitlines()
        if line.startswith("| ") and line.count("|") == 6
    ]
    expected = set()
    for net, s, q, top1, top5 in rows[:]:
        if net == "net":
            continue
        ends = s.strip("[]").split(";")
        train = (int(ends[0]), int(ends[-1]))
        scales = tuple(map(int, q.split(",")))
        expected.add(((net,), train, scales, float(top1), float(top5)))
    ours = {
        (f.nets, f.train_scale, f.scales, f.top1, f.top5)
        for f in FIGURES
        if f.kinds == ("dense",) and len(f.nets) == 1
    }
    assert len(expected) == 22
    assert ours == expected


def test_a_net_may_be_named() -> None:
    assert figure_for(conditions("mine"), "D").top1 == 25.6
    two = conditions("mine yours", scales=(256, 384, 512))
    assert figure_for(two, "E+D").top5 == 7.1


MISTAKES = {
    "another net": (
        conditions("resnet50"), "",
        "the paper has no net resnet50.\n"
        "  Give --expect one of A, A-LRN, B, C, D, E, or several joined by +.",
    ),
    "S unknown": (
        conditions(train=None), "",
        "the paper's figures depend on S, the scale in training, which is not recorded "
        "with this model.\n  Give --train-scale 256, 384 or 256-512.",
    ),
    "another Q": (
        conditions("vgg13", scales=(300,), train=(256, 256)), "",
        "the paper has no figure for B S 256 Q 300 dense.\n"
        "  It has: B S 256 Q 256 dense; B S 256 Q 224,256,288 dense.",
    ),
    "another protocol": (
        conditions("vgg13", "single", (256,), (256, 256)), "",
        "the paper has no figure for B S 256 Q 256 single.\n"
        "  It has: B S 256 Q 256 dense; B S 256 Q 224,256,288 dense.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_what_the_paper_does_not_have(case: str) -> None:
    given, nets, expected = MISTAKES[case]
    with pytest.raises(UsageError) as caught:
        figure_for(given, nets)
    assert str(caught.value) == expected


def test_comparison() -> None:
    figure = figure_for(conditions())
    assert Comparison(figure, (26.0, 8.0), 50_000).holds
    assert Comparison(figure, (20.0, 8.5), 50_000).holds
    assert not Comparison(figure, (26.2, 8.0), 50_000).holds
    assert not Comparison(figure, (25.0, 8.7), 50_000).holds
    assert Comparison(figure, (26.2, 8.7), 50_000, 0.7).holds
