"""Outcomes as files and as text: every one says under which conditions."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netspec.errors import UsageError
from netspec.evaluate.evaluator import evaluate
from netspec.evaluate.files import (
    write_classes,
    write_confusion,
    write_scores,
    write_worst,
)
from netspec.evaluate.images import Stored
from netspec.evaluate.metrics import Metrics
from netspec.evaluate.protocols import PROTOCOLS
from netspec.report.evaluation import classes_text, result_text
from tests.evaluate.small import model, pictures

CLASSES = ("ant, Formica", "bee", "cat", "dog", "eel", "fox", "gnu")
LABELS = [0, 1, 2, 0, 4, 5, 6]


@pytest.fixture
def run(tmp_path: Path):
    given = model(tmp_path).preprocess.with_(classes=CLASSES)
    images = Stored(pictures(), LABELS)
    outcome = evaluate(
        [model(tmp_path, preprocess=given)], images, PROTOCOLS["dense"].at((15,))
    )
    return outcome, Metrics(outcome.posteriors, outcome.labels), images


def read(path: Path) -> tuple[str, list[list[str]]]:
    first, rest = path.read_text().split("\n", 1)
    return first, list(csv.reader(rest.splitlines()))


def test_scores_as_npz(run, tmp_path: Path) -> None:
    outcome, _, _ = run
    write_scores(tmp_path / "s.npz", outcome)
    held = np.load(tmp_path / "s.npz")  # which refuses anything pickled
    np.testing.assert_array_equal(held["posteriors"], outcome.posteriors.astype("f4"))
    assert held["names"].tolist() == [str(i) for i in range(7)]
    assert held["labels"].tolist() == LABELS
    assert held["classes"].tolist() == list(CLASSES)
    assert json.loads(str(held["conditions"])) == outcome.conditions.as_dict()


def test_scores_as_csv(run, tmp_path: Path) -> None:
    outcome, metrics, _ = run
    write_scores(tmp_path / "s.csv", outcome)
    first, (head, *rows) = read(tmp_path / "s.csv")
    assert first == f"# {outcome.conditions}"
    assert "protocol dense" in first
    assert "class order " in first
    assert head[:6] == ["name", "label", "label_p", "label_rank", "class1", "p1"]
    assert head[-2:] == ["class5", "p5"]
    for i, row in enumerate(rows):
        values = outcome.posteriors[i]
        order = np.argsort(-values)
        assert row[:2] == [str(i), CLASSES[LABELS[i]]]
        assert float(row[2]) == pytest.approx(values[LABELS[i]], rel=1e-5)
        assert int(row[3]) == metrics.ranks[i] + 1
        assert row[4::2] == [CLASSES[k] for k in order[:5]]
        np.testing.assert_allclose(np.float64(row[5::2]), values[order[:5]], rtol=1e-5)


def test_another_ending_is_refused(run, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        write_scores(tmp_path / "s.txt", run[0])
    assert str(caught.value) == (
        f"cannot write scores to '{tmp_path / 's.txt'}'.\n  Name a .npz or a .csv file."
    )


def test_classes_and_confusions(run, tmp_path: Path) -> None:
    outcome, metrics, _ = run
    write_classes(tmp_path / "c.csv", outcome, metrics)
    first, (head, *rows) = read(tmp_path / "c.csv")
    assert first == f"# {outcome.conditions}"
    assert head == ["class", "images", "top1_error", "top5_error"]
    assert [row[0] for row in rows] == list(CLASSES)
    assert [row[1] for row in rows] == ["2", "1", "1", "0", "1", "1", "1"]
    assert rows[3][2] == "nan"
    write_confusion(tmp_path / "m.csv", outcome, metrics)
    first, (head, *rows) = read(tmp_path / "m.csv")
    assert first == f"# {outcome.conditions}"
    assert head == ["label", *CLASSES]
    assert [row[1:] for row in rows] == metrics.confusion.astype(str).tolist()


def test_the_worst_images_are_drawn(run, tmp_path: Path) -> None:
    outcome, metrics, images = run
    write_worst(tmp_path / "w.png", outcome, metrics, images, 3)
    with Image.open(tmp_path / "w.png") as sheet:
        assert sheet.format == "PNG"
        wide, high = sheet.size
        seen = np.asarray(sheet)
    assert wide > 3 * 160 > high
    worst = pictures()[metrics.worst(1)[0]]
    corner = worst[::-1, 0, 0]  # as RGB, enlarged by whole numbers
    np.testing.assert_array_equal(seen[4, 4], corner)


def test_tables_say_everything(run) -> None:
    outcome, metrics, _ = run
    head, _, row, order, cost = result_text(outcome, metrics).split("\n")
    assert head.split("  ")[0] == "net"
    assert row.split() == [
        "small", "dense", "not", "recorded", "15", "whole", "image", "2", "7",
        f"{metrics.error(1):.2f}", f"{metrics.error(5):.2f}",
    ]  # fmt: skip
    assert order == f"7 classes, order {outcome.conditions.class_order}"
    assert "multiply-accumulates an image" in cost
    first, *lines = classes_text(outcome, metrics).split("\n")
    assert first == str(outcome.conditions)
    assert [line.split("  ")[0] for line in lines[2:]] == list(CLASSES)
