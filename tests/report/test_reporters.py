"""What listeners make of a solver's events."""

from __future__ import annotations

import io
import json
import re

import pytest

from netspec.report.console import ConsoleReporter, Pace, duration
from netspec.report.glog import GlogReporter
from netspec.report.jsonl import JsonLinesReporter
from netspec.report.lines import caffe_lines
from netspec.solver.events import (
    Event,
    Finished,
    Iteration,
    Output,
    RateDropped,
    Restored,
    SnapshotWritten,
    Started,
    TestResult,
    TestStarted,
    Timings,
    Warned,
)

STARTED = Started(
    net="tiny", iteration=0, max_iter=300, batch=64, iter_size=2, shards=4,
    shard_reason="at least 16 images a shard", train_size=1000, seed=7,
    seed_given=False, type="SGD", lr_policy="step", parameters=1234, test_nets=1,
    device="cpu",
)  # fmt: skip
OUTPUTS = (Output("accuracy", (0.75,)), Output("loss", (0.5,), 2.0))
ITERATION = Iteration(
    iteration=100, loss=0.6, smoothed=0.55, rate=0.01, images=128, display=True,
    timings=Timings(0.01, 0.02, 0.05, 0.02), outputs=OUTPUTS,
)  # fmt: skip
TESTED = TestResult(100, 0, OUTPUTS, images=200, seconds=1.5, whole_set=True)

# event, Caffe's lines
LINES: list[tuple[Event, list[str]]] = [
    (STARTED, ["Solving tiny", "Learning Rate Policy: step"]),
    (
        ITERATION,
        [
            "Iteration 100, loss = 0.55",
            "    Train net output #0: accuracy = 0.75",
            "    Train net output #1: loss = 0.5 (* 2 = 1 loss)",
            "Iteration 100, lr = 0.01",
        ],
    ),
    (TestStarted(100, 0), ["Iteration 100, Testing net (#0)"]),
    (
        TESTED,
        [
            "    Test net output #0: accuracy = 0.75",
            "    Test net output #1: loss = 0.5 (* 2 = 1 loss)",
        ],
    ),
    (
        SnapshotWritten(100, "a.caffemodel", "a.solverstate"),
        [
            "Snapshotting to binary proto file a.caffemodel",
            "Snapshotting solver state to binary proto file a.solverstate",
        ],
    ),
    (Finished(300, "max_iter"), ["Optimization Done."]),
]


@pytest.mark.parametrize(("event", "lines"), LINES)
def test_caffes_lines(event: Event, lines: list[str]) -> None:
    assert list(caffe_lines(event)) == lines


def test_a_glog_line_has_time_thread_and_source() -> None:
    stream = io.StringIO()
    GlogReporter(stream)(Warned("slow disk.", "Use another."))
    line = stream.getvalue().splitlines()[-1]
    form = r"W\d{4} \d\d:\d\d:\d\d\.\d{6} \d+ solver\.cpp:0\] slow disk\. Use another\."
    assert re.fullmatch(form, line)


def test_json_lines_have_every_field_and_no_nan() -> None:
    stream = io.StringIO()
    report = JsonLinesReporter(stream)
    report(ITERATION)
    report(Iteration(1, float("nan"), 0.1, 0.1, 1, False))
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["event"] == "Iteration"
    assert first["timings"] == {
        "data": 0.01, "forward": 0.02, "backward": 0.05, "update": 0.02,
        "wait": 0.0, "communication": 0.0,
    }  # fmt: skip
    assert second["loss"] == "nan"


def test_the_console_tells_batch_shards_epoch_and_seed() -> None:
    text = console(STARTED)
    assert "global batch 128 = 64 images x iter_size 2; 4 shard(s)" in text
    assert "1000 records = 7.8 iterations" in text
    assert "seed 7 (random_seed is not in the file)" in text


def test_the_console_tells_loss_rate_speed_and_time_left() -> None:
    text = console(STARTED, ITERATION)
    line = "iteration 100/300  loss 0.55  lr 0.01  1280 images/s  0:20 left"
    assert line in text


CONSOLE = {
    "test net 0 at iteration 100: 200 images (the whole set), 1.5 s": TESTED,
    "  loss = 0.5 (* 2 = 1 loss)": TESTED,
    "snapshot at iteration 9, the best so far: a": SnapshotWritten(9, "a", "b", True),
    "resumed at iteration 9 from s\n  passed over: t: broken": Restored(
        9, "s", "w", ("t: broken",)
    ),
    "lr is now 0.001 (drop 1)": RateDropped(9, 0.001, 1, 0.7, 4),
    "warning: no room. Make some.": Warned("no room.", "Make some."),
    "done at iteration 9: a signal asked for it": Finished(9, "signal"),
}


@pytest.mark.parametrize("text", CONSOLE)
def test_the_console_keeps_a_line_for(text: str) -> None:
    assert text + "\n" in console(CONSOLE[text])


def console(*events: Event) -> str:
    stream = io.StringIO()
    report = ConsoleReporter(stream, live=False)
    for event in events:
        report(event)
    return stream.getvalue()


def test_a_live_line_is_taken_away_before_what_stays() -> None:
    stream = io.StringIO()
    report = ConsoleReporter(stream, live=True)
    quiet = Iteration(101, 0.6, 0.55, 0.01, 128, display=False)
    for event in (STARTED, quiet, TESTED):
        report(event)
    report.close()
    assert "test net 0" in stream.getvalue()


def test_pace_forgets_the_first_iteration() -> None:
    pace = Pace()
    pace.step(10.0, 64)
    assert pace.images_per_second == 6.4
    pace.step(0.5, 64)
    assert pace.images_per_second == 128
    pace.step(1.5, 64)
    assert pace.seconds_per_iteration == pytest.approx(0.55)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (125, "2:05"), (3723, "1:02:03")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
